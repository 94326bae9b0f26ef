"""Splits and failovers on Linkerd: an HTTPRoute whose parent is the Service that is called.

The proxy sends each request to one backend of those that are available, by weight (linkerd2-proxy,
linkerd/distribute: RandomAvailable). A backup with a millionth of the weight is therefore asked when the primary is
not available, and else next to never. The primary is not before the proxy has found no endpoint of it for 3 s; what
waits meanwhile is sent again, to the backup (retry.linkerd.io annotations).
"""

from __future__ import annotations

from collections.abc import Mapping

from lab.components import export
from lab.components.inventory import labels as component_labels
from lab.context import Lab
from lab.errors import ClusterError
from lab.kube import Kube, connect
from lab.mesh.linkerd_export import mirrored
from lab.mesh.model import Failover, Split
from lab.mesh.weights import SPLIT_LABEL, check_weights
from lab.model import LABEL_PREFIX, NAMESPACE, Cluster
from lab.objects import Obj, Ref, labelled, labels_of, ref

_API = "gateway.networking.k8s.io/v1"
_FAILOVER_LABEL = f"{LABEL_PREFIX}/failover"
_PRIMARY_LABEL, _BACKUP_LABEL = f"{LABEL_PREFIX}/primary", f"{LABEL_PREFIX}/backup"
_FIRST, _ONLY_WHEN_NEEDED = 1_000_000, 1  # a weight's largest value in the Gateway API, and its smallest but none
_ACCEPTED_S = 15
RETRIES = {"retry.linkerd.io/http": "5xx", "retry.linkerd.io/limit": "3"}


def apply(lab: Lab, cluster: Cluster, service: str, weights: Mapping[str, int]) -> Split:
    """Write a split and return it as the cluster has it then."""
    kube = connect(cluster)
    check_weights(cluster.name, weights)
    ports = _ports(kube, service, weights)
    for name in weights:
        _check_backend(kube, service, name)
    _refuse_other(kube, service, _FAILOVER_LABEL, "fail over", f"lab unfailover {service} --in {cluster.name}")
    owned = component_labels(lab.spec.name, "split")
    routes = [labelled(build(service, port, weights, {SPLIT_LABEL: service}), owned) for port in ports]
    _write(kube, routes)
    found = next((split for split in listed(kube) if split.service == service), None)
    if found is None or dict(found.weights) != dict(weights):
        has = "none" if found is None else dict(found.weights)
        raise ClusterError(f"the split of {service} was written, but the cluster has {has}", where=cluster.name)
    return found


def remove(cluster: Cluster, service: str) -> bool:
    """Delete a split; False when there was none."""
    return _delete(connect(cluster), {SPLIT_LABEL: service})


def listed(kube: Kube) -> list[Split]:
    """Return the splits that a cluster has."""
    found: dict[str, Split] = {}
    for obj in kube.find(_API, "HTTPRoute", namespace=NAMESPACE):
        if service := labels_of(obj).get(SPLIT_LABEL):
            weights = {part["name"]: int(part.get("weight", 1)) for part in obj["spec"]["rules"][0]["backendRefs"]}
            found[service] = Split(cluster=kube.cluster.name, service=service, weights=weights)
    return list(found.values())


def fail_over(lab: Lab, wanted: Failover) -> None:
    """Write a failover."""
    kube = connect(lab.clusters[wanted.cluster])
    names = [
        wanted.service if place == wanted.cluster else export.exported_name(wanted.service, place)
        for place in (wanted.primary, wanted.backup)
    ]
    ports = _ports(kube, wanted.service, dict.fromkeys(names, 1))
    for name in names:
        _check_backend(kube, wanted.service, name)
    _refuse_other(kube, wanted.service, SPLIT_LABEL, "are split", f"lab unsplit {wanted.service} --in {wanted.cluster}")
    labels = {_FAILOVER_LABEL: wanted.service, _PRIMARY_LABEL: wanted.primary, _BACKUP_LABEL: wanted.backup}
    weights = dict(zip(names, (_FIRST, _ONLY_WHEN_NEEDED), strict=True))
    owned = component_labels(lab.spec.name, "failover")
    _write(kube, [labelled(build(wanted.service, port, weights, labels), owned) for port in ports])


def unfail_over(cluster: Cluster, service: str) -> bool:
    """Take a failover away; False when there was none."""
    return _delete(connect(cluster), {_FAILOVER_LABEL: service})


def failovers(kube: Kube) -> list[Failover]:
    """Return the failovers that a cluster has."""
    found = {
        Failover(
            cluster=kube.cluster.name,
            service=labels[_FAILOVER_LABEL],
            primary=labels[_PRIMARY_LABEL],
            backup=labels[_BACKUP_LABEL],
        )
        for labels in map(labels_of, kube.find(_API, "HTTPRoute", namespace=NAMESPACE))
        if _FAILOVER_LABEL in labels
    }
    return sorted(found, key=lambda failover: failover.service)


def build(service: str, port: int, weights: Mapping[str, int], labels: Mapping[str, str]) -> Obj:
    """Return the HTTPRoute for one port of a service."""
    kind = "failover" if _FAILOVER_LABEL in labels else "split"
    backends = [
        {"group": "", "kind": "Service", "name": name, "port": port, "weight": weight}
        for name, weight in weights.items()
    ]
    return {
        "apiVersion": _API,
        "kind": "HTTPRoute",
        "metadata": {
            "name": f"{service}-{kind}-{port}",
            "namespace": NAMESPACE,
            "labels": dict(labels),
            "annotations": dict(RETRIES),
        },
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": service, "port": port}],
            "rules": [{"backendRefs": backends}],
        },
    }


def _write(kube: Kube, routes: list[Obj]) -> None:
    kube.apply_all(routes)
    kube.wait_ready([ref(route) for route in routes], timeout_s=_ACCEPTED_S)


def _delete(kube: Kube, labels: Mapping[str, str]) -> bool:
    gone = [kube.delete(ref(obj)) for obj in kube.find(_API, "HTTPRoute", namespace=NAMESPACE, labels=labels)]
    return any(gone)


def _refuse_other(kube: Kube, service: str, label: str, does: str, undo: str) -> None:
    if kube.find(_API, "HTTPRoute", namespace=NAMESPACE, labels={label: service}):
        raise ClusterError(
            f"requests to {service} {does} already, and a service has one or the other",
            where=kube.cluster.name,
            next=f"`{undo}` first",
        )


def _check_backend(kube: Kube, service: str, name: str) -> None:
    if name == service:
        return
    found = kube.get(export.service_ref(name))
    if found is None or (mirrored(found) or ("",))[0] != service:
        mirrors = [m for obj in kube.find("v1", "Service", namespace=NAMESPACE) if (m := mirrored(obj))]
        known = [service, *(export.exported_name(*m) for m in mirrors if m[0] == service)]
        raise ClusterError(
            f"{name} is not {service} as another cluster exports it; here are: {', '.join(known)}",
            where=kube.cluster.name,
            next=f"lab export {service}",
        )


def _ports(kube: Kube, service: str, names: Mapping[str, int]) -> list[int]:
    """Return the ports that requests come in at: the called service's own, which the cluster has to know."""
    found = kube.get(Ref(api_version="v1", kind="Service", name=service, namespace=NAMESPACE))
    if found is None:
        raise ClusterError(
            f"there is no Service {service!r} to call in namespace {NAMESPACE}",
            where=kube.cluster.name,
            next=f"split a service that is there, or call {', '.join(n for n in names if n != service)} itself",
        )
    ports = [port.number for port in export.ports_of(found) if port.is_http]
    if not ports:
        raise ClusterError(f"{service} has no HTTP port, and only requests can be split", where=kube.cluster.name)
    return ports
