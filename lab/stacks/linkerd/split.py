"""Splits and failovers on Linkerd: an HTTPRoute whose parent is the called Service.

The caller's proxy sends each request to one of the available backends, by weight (linkerd2-proxy, linkerd/distribute:
RandomAvailable). A backup with a millionth of the weight gets requests when the primary is unavailable, and otherwise
one in a million. The proxy takes a second without a usable endpoint to make the primary unavailable (control_plane.py,
_FAST_RECOVERY). An endpoint that is Ready and fails counts as unusable after some failures (accrual.py). Requests that
fail meanwhile are retried, at the backup in the end (retry.linkerd.io annotations).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lab.base.errors import ClusterError, UsageError
from lab.base.names import LABEL_PREFIX, NAMESPACE, Cluster
from lab.kube import Kube, connect
from lab.kube.objects import Obj, labels_of
from lab.lab import Lab
from lab.mesh import names
from lab.mesh.model import Failover, Split
from lab.mesh.weights import FAILOVER_LABEL, SPLIT_LABEL, check_weights, further_annotation, further_of
from lab.stacks.linkerd import accrual, federation, route
from lab.stacks.linkerd.export import mirrored

_SPLIT, _FAILOVER = "split", "failover"
_PRIMARY_LABEL, _BACKUP_LABEL = f"{LABEL_PREFIX}/primary", f"{LABEL_PREFIX}/backup"
# A request may meet all failures that accrual allows, then the wait for the primary; the last retry is the backup's.
# Without a time limit, the requests under way wait for the proxy to close the connections of a cut link.
_RETRIES = {"retry.linkerd.io/limit": str(accrual.MAX_FAILURES + 1), "retry.linkerd.io/timeout": "1s"}
_FIRST, _ONLY_WHEN_NEEDED = 1_000_000, 1  # the largest weight in the Gateway API, and the smallest above 0
_ORDERS = {2: (_FIRST, _ONLY_WHEN_NEEDED), 3: (_FIRST, 1_000, _ONLY_WHEN_NEEDED)}
"""Weights by the number of clusters. A proxy knows no other order: with three, one request in a thousand goes to the
first backup while the primary works. With four, it would be one in a hundred."""


def apply(lab: Lab, cluster: Cluster, service: str, weights: Mapping[str, int]) -> Split:
    """Apply a split, and return it as read back from the cluster."""
    kube = connect(cluster)
    check_weights(cluster.name, weights)
    ports = route.http_ports(kube, service, weights)
    check_backends(kube, service, weights, known=_may_get_requests(kube, service))
    route.refuse_other(kube, service, SPLIT_LABEL)
    routes = [build(service, port, weights, {SPLIT_LABEL: service}) for port in ports]
    route.write(lab.owned(kube, _SPLIT), routes)
    applied = next((split for split in listed(kube) if split.service == service), None)
    if applied is None or dict(applied.weights) != dict(weights):
        weights_now = "no split" if applied is None else dict(applied.weights)
        raise ClusterError(
            f"the split of {service} was applied, but the cluster has {weights_now}",
            where=cluster.name,
            next=f"the same `lab split {service}` again",
        )
    return applied


def remove(lab: Lab, cluster: Cluster, service: str) -> bool:
    """Delete a split; return False if there was none."""
    return route.delete(lab.owned(connect(cluster), _SPLIT), {SPLIT_LABEL: service})


def listed(kube: Kube) -> list[Split]:
    """Return the splits of a cluster."""
    splits: dict[str, Split] = {}
    for obj in kube.find(route.API, "HTTPRoute", namespace=NAMESPACE):
        if service := labels_of(obj).get(SPLIT_LABEL):
            weights = {part["name"]: int(part.get("weight", 1)) for part in obj["spec"]["rules"][0]["backendRefs"]}
            splits[service] = Split(cluster=kube.cluster.name, service=service, weights=weights)
    return list(splits.values())


def fail_over(lab: Lab, wanted: Failover) -> None:
    """Apply a failover.

    Raises:
        UsageError: it has more than two backups, or the service or an export of it does not exist.
    """
    if len(wanted.order) not in _ORDERS:
        raise UsageError(
            f"Linkerd has no order of {len(wanted.order)} clusters, only weights, which suffice for three",
            where=wanted.cluster,
            next="name at most two backups",
        )
    kube = connect(lab.clusters[wanted.cluster])
    backends = [
        wanted.service if name == wanted.cluster else names.exported_name(wanted.service, name) for name in wanted.order
    ]
    ports = route.http_ports(kube, wanted.service, dict.fromkeys(backends, 1))
    check_backends(kube, wanted.service, backends, known=exports_of(kube, wanted.service))
    route.refuse_other(kube, wanted.service, FAILOVER_LABEL)
    labels = {FAILOVER_LABEL: wanted.service, _PRIMARY_LABEL: wanted.primary, _BACKUP_LABEL: wanted.backup}
    weights = dict(zip(backends, _ORDERS[len(backends)], strict=True))
    routes = [build(wanted.service, port, weights, labels, further=wanted.further) for port in ports]
    route.write(lab.owned(kube, _FAILOVER), routes)
    accrual.switch_on(kube, wanted.service)


def unfail_over(lab: Lab, cluster: Cluster, service: str) -> bool:
    """Delete a failover, or what is left of it if a person deleted its route; return False if there was none."""
    kube = connect(cluster)
    uncounted = accrual.switch_off(kube, service)
    return route.delete(lab.owned(kube, _FAILOVER), {FAILOVER_LABEL: service}) or uncounted


def failovers(kube: Kube) -> list[Failover]:
    """Return the failovers of a cluster."""
    routed = {
        Failover(
            cluster=kube.cluster.name,
            service=labels[FAILOVER_LABEL],
            primary=labels[_PRIMARY_LABEL],
            backup=labels[_BACKUP_LABEL],
            further=further_of(obj),
        )
        for obj in kube.find(route.API, "HTTPRoute", namespace=NAMESPACE)
        if FAILOVER_LABEL in (labels := labels_of(obj))
    }
    return sorted(routed, key=lambda failover: failover.service)


def build(
    service: str, port: int, weights: Mapping[str, int], labels: Mapping[str, str], *, further: Sequence[str] = ()
) -> Obj:
    """Return the HTTPRoute for one port of a service; `further` are the clusters after a failover's backup."""
    fails_over = FAILOVER_LABEL in labels
    kind, retries = ("failover", {**_RETRIES, **further_annotation(further)}) if fails_over else ("split", {})
    backends = [route.backend(name, port, weight=weight) for name, weight in weights.items()]
    return route.build(
        f"{service}-{kind}-{port}", service, port, [{"backendRefs": backends}], labels, annotations=retries
    )


def check_backends(kube: Kube, service: str, wanted: Iterable[str], *, known: Sequence[str]) -> None:
    """Check the names in a split or a failover.

    Raises:
        UsageError: a name is neither the service nor one of the `known` others.
    """
    for name in wanted:
        if name not in {service, *known}:
            others = {federation.name_of(service): f"lab federate {service}"}
            direct = name.startswith(f"{names.direct_name(service)}-")
            raise UsageError(
                f"{name} is not {service} or an export of it; possible names here: {', '.join([service, *known])}",
                where=kube.cluster.name,
                next=others.get(name, f"lab export {service}{' --direct' if direct else ''}"),
            )


def exports_of(kube: Kube, *services: str) -> list[str]:
    """Return the names of the exports of several services, in a cluster that imports them."""
    mirrors = [found for obj in kube.find("v1", "Service", namespace=NAMESPACE) if (found := mirrored(obj))]
    return [names.exported_name(*found) for found in mirrors if found[0] in services]


def _may_get_requests(kube: Kube, service: str) -> list[str]:
    """Return the names to which a split can send requests to a service: its exports, and its federated service."""
    federated = federation.name_of(service)
    joined = [federated] if federation.is_federated(kube.get(names.service_ref(federated))) else []
    return [*exports_of(kube, service, names.direct_name(service)), *joined]
