"""Exported services: `podinfo-east` in every other cluster is podinfo as it runs in East, and only there.

The name is a Service without endpoints of its own, so that it resolves; the mesh sends what goes there to podinfo's
subset in East, whose endpoints follow East by themselves. The subsets stand on every cluster: a gateway has no way
for an SNI whose subset its own cluster does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab.base.names import NAMESPACE, Cluster
from lab.kube import Kube, connect
from lab.kube.objects import Obj, labels_of, ref
from lab.kube.owned import Owned
from lab.lab import Lab
from lab.mesh.exports import EXPORTED_LABEL, SOURCE_LABEL, exportable
from lab.mesh.names import ServicePort, exported_name, host

_PART = "export"
_NETWORKING = "networking.istio.io/v1"
# istiod itself adds the cluster's label to endpoints. `istioctl analyze` looks for it on pods and calls each subset an
# error (Istio documentation, "Analysis messages", IST0173).
_SUBSETS_OF_CLUSTERS = {"galley.istio.io/analyze-suppress": "IST0173"}


def source_objects(service: str, clusters: Sequence[str]) -> list[Obj]:
    """Return what every cluster needs: the service's subsets, one for each cluster it may run in."""
    subsets = [{"name": name, "labels": {"topology.istio.io/cluster": name}} for name in clusters]
    return [
        {
            "apiVersion": _NETWORKING,
            "kind": "DestinationRule",
            "metadata": {
                "name": service,
                "namespace": NAMESPACE,
                "labels": {EXPORTED_LABEL: service},
                "annotations": _SUBSETS_OF_CLUSTERS,
            },
            "spec": {"host": host(service), "subsets": subsets},
        }
    ]


def mirror_objects(service: str, source: str, ports: Sequence[ServicePort]) -> list[Obj]:
    """Return what the other clusters need: the name, and where what goes there is sent."""
    name = exported_name(service, source)
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "labels": {EXPORTED_LABEL: service, SOURCE_LABEL: source},
    }
    spec: dict[str, Any] = {
        "ports": [
            {"name": p.name, "port": p.number, "targetPort": p.number, "protocol": "TCP", **_app_protocol(p)}
            for p in ports
        ]
    }
    routes: dict[str, list[Obj]] = {"http": [], "tcp": []}
    for port in ports:
        rule = {
            "match": [{"port": port.number}],
            "route": [{"destination": destination(service, source, port.number)}],
        }
        # Where Envoy has to find out the protocol, it looks for both kinds of rules.
        for kind, fits in (("http", port.is_http or port.is_detected), ("tcp", not port.is_http)):
            if fits:
                routes[kind].append(rule)
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec},
        {
            "apiVersion": _NETWORKING,
            "kind": "VirtualService",
            "metadata": metadata,
            "spec": {"hosts": [host(name)], **{kind: rules for kind, rules in routes.items() if rules}},
        },
    ]


def destination(service: str, cluster: str, port: int) -> Obj:
    """Return a route's destination: a service as it runs in one cluster."""
    return {"host": host(service), "subset": cluster, "port": {"number": port}}


def _app_protocol(port: ServicePort) -> Mapping[str, str]:
    return {"appProtocol": port.protocol} if port.protocol else {}


def apply(lab: Lab, service: str, source: str) -> bool:
    """Export a service, or renew its export after its ports have changed; False when nothing had to be changed.

    Raises:
        ClusterError: as `exportable`; nothing was changed.
        NotOwnedError: a cluster has an object of one of the names that is not an export's; nothing was changed.
    """
    name = exported_name(service, source)
    ports = exportable(lab.clusters[source], service, name=name, origin=origin)
    # The source first: before its gateway knows the subset, nobody must send anything there.
    clusters = sorted(lab.clusters.values(), key=lambda c: c.name != source)
    wanted = []
    for cluster in clusters:
        mirror = mirror_objects(service, source, ports) if cluster.name != source else []
        wanted.append((owned(lab, cluster), [*source_objects(service, list(lab.clusters)), *mirror]))
    for objects, parts in wanted:
        objects.check(parts)
    return any([objects.ensure_all(parts) for objects, parts in wanted])  # noqa: C419 - all of them, not the first only


def remove(lab: Lab, service: str, source: str) -> bool:
    """Take an export back; False when there was none. The subsets go with the service's last export."""
    everywhere = [owned(lab, cluster) for cluster in lab.clusters.values()]
    gone = [
        objects.delete(ref(obj))
        for objects in everywhere
        for obj in reversed(_mirrors(objects.kube, {EXPORTED_LABEL: service, SOURCE_LABEL: source}))
    ]
    if not any(_mirrors(objects.kube, {EXPORTED_LABEL: service}) for objects in everywhere):
        for objects in everywhere:
            objects.delete(ref(source_objects(service, ())[0]))
    return any(gone)


def listed(kube: Kube) -> Iterator[tuple[str, str]]:
    """Yield the exported services that a cluster sees, each as its name and the cluster it runs in."""
    for obj in kube.find("v1", "Service", namespace=NAMESPACE):
        if (found := origin(obj)) is not None:
            yield found


def origin(service: Obj) -> tuple[str, str] | None:
    """Return which service of which cluster an exported name stands for, None for any other Service."""
    found = labels_of(service)
    return (found[EXPORTED_LABEL], found[SOURCE_LABEL]) if SOURCE_LABEL in found else None


def _mirrors(kube: Kube, labels: Mapping[str, str]) -> list[Obj]:
    kinds = (("v1", "Service"), (_NETWORKING, "VirtualService"))
    found = [obj for version, kind in kinds for obj in kube.find(version, kind, namespace=NAMESPACE, labels=labels)]
    return [obj for obj in found if SOURCE_LABEL in labels_of(obj)]


def owned(lab: Lab, cluster: Cluster) -> Owned:
    """Return what exports consist of in one cluster."""
    return lab.owned(connect(cluster), _PART)
