"""Permissions on Linkerd: a Server, and an AuthorizationPolicy with the identities that may call it.

Requests from another cluster arrive with the identity of the gateway (linkerd2 #7235, #9848). So a service with callers
in another cluster accepts its own cluster's gateway, and the gateway accepts only those callers. The gateway cannot
distinguish services, which has two effects:

- The lab refuses permissions for two services of a cluster with different callers from other clusters.
- Other clusters' workloads without permission cannot reach services without a permission either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lab.base.errors import UsageError
from lab.base.names import LABEL_PREFIX, NAMESPACE
from lab.kube import Kube, connect, owned
from lab.kube.objects import Obj, Ref, labelled, ref
from lab.kube.owned import Grounds
from lab.lab import Lab
from lab.mesh import names
from lab.mesh.model import Caller, Permission
from lab.mesh.permissions import as_annotation, no_pods, read
from lab.stacks.linkerd import multicluster

_POLICY = "policy.linkerd.io"
_SERVER = f"{_POLICY}/v1beta3"
_AUTHORIZATION = f"{_POLICY}/v1alpha1"
_ROUTE = f"{_POLICY}/v1beta3"
KINDS = (
    (_AUTHORIZATION, "AuthorizationPolicy"),
    (_AUTHORIZATION, "MeshTLSAuthentication"),
    (_AUTHORIZATION, "NetworkAuthentication"),
    (_ROUTE, "HTTPRoute"),
    (_SERVER, "Server"),
)
_LABEL = f"{LABEL_PREFIX}/permission-of"
_PART = "permission"
_PLAIN = Ref(api_version=_SERVER, kind="Server", name="plain-text", namespace=NAMESPACE)


def identity(lab: Lab, caller: Caller) -> str:
    """Return a workload's identity as Linkerd writes it into certificates: a DNS name instead of a URI."""
    domain = lab.spec.clusters[caller.cluster].trust_domain
    return f"{caller.service_account}.{caller.namespace}.serviceaccount.identity.linkerd.{domain}"


def gateway_of(cluster: str) -> Caller:
    """Return the service account of a cluster's gateway as a caller."""
    return Caller(cluster=cluster, namespace=multicluster.NAMESPACE, service_account=multicluster.GATEWAY_ACCOUNT)


def apply(lab: Lab, permission: Permission) -> None:
    """Apply a permission, the gateway's part first."""
    kube = connect(lab.clusters[permission.cluster])
    service = kube.get(names.service_ref(permission.service))
    selector = (service or {}).get("spec", {}).get("selector")
    if service is None or not selector:
        raise no_pods(permission)
    others = [other for other in listed(kube) if other.service != permission.service]
    _refuse_two_groups(permission, others)
    wanted = build(lab, permission, selector, _target_ports(service), _probe_paths(kube, selector))
    objects = lab.owned(kube, _PART)
    objects.check(wanted)
    _restrict_gateway(lab, kube, [permission, *others])
    objects.apply_all([labelled(obj, {_LABEL: permission.service}) for obj in wanted])
    kept = {ref(obj) for obj in wanted}
    for obj in _written_for(kube, permission.service):
        if ref(obj) not in kept:
            objects.delete(ref(obj))


def remove(lab: Lab, cluster: str, service: str) -> bool:
    """Delete a permission, the gateway's part last; return False if there was none."""
    kube = connect(lab.clusters[cluster])
    objects = lab.owned(kube, _PART)
    gone = [objects.delete(ref(obj)) for obj in _written_for(kube, service)]
    if gone:
        _restrict_gateway(lab, kube, listed(kube))
    return any(gone)


def listed(kube: Kube) -> list[Permission]:
    """Return the permissions of a cluster."""
    by_service = {p.service: p for p in read(kube.find(_SERVER, "Server", namespace=NAMESPACE))}
    return list(by_service.values())


def let_plain_text_in(lab: Lab, cluster: str) -> None:
    """Accept plain text for the applications of a cluster.

    Raises:
        UsageError: the cluster has a permission, which requires mutual TLS.
    """
    kube = connect(lab.clusters[cluster])
    if restricted := [permission.service for permission in listed(kube)]:
        raise UsageError(
            f"plain text cannot be accepted: a permission for {', '.join(restricted)} requires mutual TLS",
            where=cluster,
            next="lab reset, which deletes permissions",
        )
    spec = {"podSelector": {}, "port": "http", "accessPolicy": "all-unauthenticated"}
    lab.owned(kube, _PART).apply(_object(_PLAIN, spec))


def refuse_plain_text(lab: Lab, cluster: str) -> None:
    """Refuse plain text again, which is the control plane's default."""
    lab.owned(connect(lab.clusters[cluster]), _PART).delete(_PLAIN)


def build(
    lab: Lab, permission: Permission, selector: Obj, ports: Sequence[int | str], probes: Sequence[str]
) -> list[Obj]:
    """Return the objects of a permission.

    Args:
        lab: the lab with the trust domains.
        permission: the permission.
        selector: labels of the service's pods.
        ports: target ports in the pods.
        probes: paths of the kubelet's probes, which have no identity.
    """
    name = permission.service
    objects = [
        _object(
            _named(_SERVER, "Server", f"{name}-{port}"),
            {"podSelector": {"matchLabels": selector}, "port": port},
            annotations=dict(as_annotation(permission)),
        )
        for port in ports
    ]
    servers = [ref(obj) for obj in objects]
    identities = _accepted(lab, permission)
    by_request = bool(permission.methods or permission.paths)
    if identities:
        callers = _named(_AUTHORIZATION, "MeshTLSAuthentication", f"{name}-callers")
        objects.append(_object(callers, {"identities": identities}))
        targets = servers
        if by_request:
            targets = [_named(_ROUTE, "HTTPRoute", f"{name}-allowed")]
            objects.append(_object(targets[0], _route(servers, permission.methods, permission.paths)))
        objects += [_allow(f"{target.name}-callers", target, callers) for target in targets]
    if identities and by_request and probes:
        # A Server with routes no longer accepts probes by itself (Linkerd documentation, "Authorization Policy").
        anywhere = _named(_AUTHORIZATION, "NetworkAuthentication", f"{name}-kubelet")
        route = _named(_ROUTE, "HTTPRoute", f"{name}-probes")
        objects.append(_object(anywhere, {"networks": [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]}))
        objects += [_object(route, _route(servers, ("GET",), probes)), _allow(route.name, route, anywhere)]
    return objects


def _accepted(lab: Lab, permission: Permission) -> list[str]:
    """Return the identities that the service accepts: callers of its cluster, and the gateway for all others."""
    own = [identity(lab, c) for c in permission.callers if c.cluster == permission.cluster]
    remote = any(c.cluster != permission.cluster for c in permission.callers)
    return [*own, *([identity(lab, gateway_of(permission.cluster))] if remote else [])]


def _remote(permission: Permission) -> frozenset[Caller]:
    return frozenset(caller for caller in permission.callers if caller.cluster != permission.cluster)


def _refuse_two_groups(permission: Permission, others: Iterable[Permission]) -> None:
    wanted = _remote(permission)
    for other in others:
        if wanted and _remote(other) and _remote(other) != wanted:
            raise UsageError(
                f"{permission.service} and {other.service} would have different callers from other clusters, and "
                "Linkerd's gateway accepts the same callers for all services",
                where=permission.cluster,
                next="authorize the same callers for both, or run `lab reset`, which deletes permissions",
            )


def _restrict_gateway(lab: Lab, kube: Kube, permissions: Iterable[Permission]) -> None:
    """Set the identities that the gateway accepts: the permissions' callers from other clusters, or all if none."""
    callers = sorted({caller for permission in permissions for caller in _remote(permission)})
    current = kube.get(multicluster.GATEWAY_CALLERS)
    identities = [identity(lab, caller) for caller in callers] or multicluster.everybody()["spec"]["identities"]
    if current is not None and current["spec"].get("identities") != identities:
        change = {"spec": {"identities": identities}}
        owned.change(kube, multicluster.GATEWAY_CALLERS, change, grounds=Grounds.GATEWAY_CALLERS)


def _written_for(kube: Kube, service: str) -> list[Obj]:
    labels = {_LABEL: service}
    return [obj for api, kind in KINDS for obj in kube.find(api, kind, namespace=NAMESPACE, labels=labels)]


def _target_ports(service: Obj) -> list[int | str]:
    ports = [p for p in service["spec"]["ports"] if p.get("protocol", "TCP") == "TCP"]
    return list(dict.fromkeys(port.get("targetPort", port["port"]) for port in ports))


def _probe_paths(kube: Kube, selector: Obj) -> list[str]:
    paths: dict[str, None] = {}
    for pod in kube.find("v1", "Pod", namespace=NAMESPACE, labels=selector):
        for container in pod["spec"]["containers"]:
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                if path := ((container.get(kind) or {}).get("httpGet") or {}).get("path"):
                    paths[path] = None
    return [path for path in paths if path not in {"/live", "/ready"}]  # these are paths of the proxy itself


def _named(api_version: str, kind: str, name: str) -> Ref:
    return Ref(api_version=api_version, kind=kind, name=name, namespace=NAMESPACE)


def _object(wanted: Ref, spec: Obj, *, annotations: dict[str, str] | None = None) -> Obj:
    metadata = {
        "name": wanted.name,
        "namespace": wanted.namespace,
        **({"annotations": annotations} if annotations else {}),
    }
    return {"apiVersion": wanted.api_version, "kind": wanted.kind, "metadata": metadata, "spec": spec}


def _reference(wanted: Ref) -> Obj:
    return {"group": _POLICY, "kind": wanted.kind, "name": wanted.name}


def _allow(name: str, target: Ref, authentication: Ref) -> Obj:
    spec = {"targetRef": _reference(target), "requiredAuthenticationRefs": [_reference(authentication)]}
    return _object(_named(_AUTHORIZATION, "AuthorizationPolicy", name), spec)


def _route(servers: Sequence[Ref], methods: Sequence[str], paths: Sequence[str]) -> Obj:
    matches = [
        {
            **({"method": method} if method else {}),
            **({"path": {"type": "Exact", "value": path}} if path else {}),
        }
        for method in (methods or ("",))
        for path in (paths or ("",))
    ]
    return {"parentRefs": [_reference(server) for server in servers], "rules": [{"matches": matches}]}
