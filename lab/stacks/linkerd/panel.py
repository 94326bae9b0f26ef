"""Linkerd's routes, permissions and links, as the stage's live panels show them."""

from __future__ import annotations

from lab.base.names import NAMESPACE
from lab.kube.objects import Obj
from lab.stacks.linkerd import emissary, multicluster, policy, route
from lab.stacks.linkerd.export import mirrored
from lab.stacks.panel import LinkKind, LinkSight, PanelKinds, PolicyKind, http_route, rules, selected, some, weights

_OPEN_TO = {"all-unauthenticated": "anybody", "all-authenticated": "every identity of the mesh"}
_NOBODY = "only callers with a permission"


def server(obj: Obj) -> str:
    """Return the default of a Server: "port http of podinfo: only callers with a permission"."""
    spec = obj.get("spec", {})
    admits = _OPEN_TO.get(str(spec.get("accessPolicy", "")), _NOBODY)
    return f"port {spec.get('port')} of {selected(spec.get('podSelector'))}: {admits}"


def authorization(obj: Obj) -> str:
    """Return an AuthorizationPolicy: "podinfo-callers may call podinfo-9898"."""
    spec = obj.get("spec", {})
    callers = [str(one["name"]) for one in spec.get("requiredAuthenticationRefs") or []]
    return f"{some(callers) or 'anybody'} may call {(spec.get('targetRef') or {}).get('name')}"


def identities(obj: Obj) -> str:
    """Return the identities of a MeshTLSAuthentication, without the part that all of them have."""
    spec = obj.get("spec", {})
    names = [str(one).partition(".serviceaccount.")[0] for one in spec.get("identities") or []]
    names += [str(one["name"]) for one in spec.get("identityRefs") or []]
    return "every identity of the mesh" if "*" in names else some(names)


def networks(obj: Obj) -> str:
    """Return the networks of a NetworkAuthentication."""
    return some([str(one.get("cidr", "")) for one in obj.get("spec", {}).get("networks") or []])


def profile(obj: Obj) -> str:
    """Return the weights of a ServiceProfile."""
    overrides = obj.get("spec", {}).get("dstOverrides") or []
    parts = [(str(one["authority"]).partition(".")[0], _weight(one)) for one in overrides]
    return rules(obj["metadata"]["name"].partition(".")[0], [("", weights(parts))] if parts else [])


def traffic_split(obj: Obj) -> str:
    """Return the weights of a TrafficSplit."""
    spec = obj.get("spec", {})
    parts = [(str(one["service"]), _weight(one)) for one in spec.get("backends") or []]
    return rules(str(spec.get("service", "")), [("", weights(parts))] if parts else [])


def _weight(of: Obj) -> float:
    """Return a weight, which is a quantity of Kubernetes: 1, or 500m for a half."""
    text = str(of["weight"])
    return float(text.removesuffix("m")) / 1000 if text.endswith("m") else float(text)


def mapping(obj: Obj) -> str:
    """Return a Mapping of Emissary: "/ → frontend"."""
    spec = obj.get("spec", {})
    headers = "".join(f" {name}={value}" for name, value in (spec.get("headers") or {}).items())
    service = str(spec.get("service", "")).partition(":")[0].removesuffix(f".{NAMESPACE}")
    return f"{spec.get('prefix', '/')}{headers} → {service}"


def link(obj: Obj) -> LinkSight:
    """Return what the service mirrors write into a Link: a condition for each exported service."""
    spec, status = obj.get("spec", {}), obj.get("status") or {}
    target = str(spec.get("targetClusterName") or obj["metadata"]["name"])
    services = [*(status.get("mirrorServices") or []), *(status.get("federatedServices") or [])]
    failed = [text for service in services if (text := _unmirrored(service))]
    count = len(services)
    words = f"{count} service{'' if count == 1 else 's'} mirrored" if count else "no service mirrored"
    return LinkSight(target=target, ok=not failed, words="; ".join(failed[:2]) or words)


def _unmirrored(service: Obj) -> str:
    for condition in service.get("conditions") or []:
        if condition.get("status") != "True":
            name = (service.get("remoteRef") or {}).get("name", "a service")
            return f"{name} is not mirrored: {condition.get('message') or condition.get('reason') or 'no reason'}"
    return ""


def mirror_of(service: Obj) -> str | None:
    """Return the exporting cluster of a mirror."""
    found = mirrored(service)
    return found[1] if found else None


_WORDS = {
    "AuthorizationPolicy": authorization,
    "MeshTLSAuthentication": identities,
    "NetworkAuthentication": networks,
    "HTTPRoute": http_route,
    "Server": server,
}
_NARROWED = {"MeshTLSAuthentication": (multicluster.NAMESPACE,)}
"""Permissions narrow the identities that the gateway accepts."""
PANEL = PanelKinds(
    namespaces=(multicluster.NAMESPACE, emissary.NAMESPACE),
    policies=(
        PolicyKind(api_version=route.API, kind="HTTPRoute", words=http_route),
        *(
            PolicyKind(api_version=version, kind=kind, words=_WORDS[kind], namespaces=_NARROWED.get(kind, ()))
            for version, kind in policy.KINDS
        ),
        PolicyKind(api_version="linkerd.io/v1alpha2", kind="ServiceProfile", words=profile),
        PolicyKind(api_version=route.SMI_API, kind="TrafficSplit", words=traffic_split),
        PolicyKind(api_version=emissary.API, kind="Mapping", words=mapping, namespaces=(emissary.NAMESPACE,)),
    ),
    links=LinkKind(api_version=multicluster.LINK_API, kind="Link", read=link),
    mirror_of=mirror_of,
)
