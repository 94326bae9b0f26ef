"""Exports on Istio: `podinfo-east` in every other cluster is the podinfo of East only.

The name is a Service without a selector, so that it resolves. A VirtualService routes its requests to podinfo's subset
in East, whose endpoints istiod discovers there. Every cluster needs the DestinationRule with the subsets: a gateway
does not forward an SNI whose subset its own cluster does not know.
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
    """Return the objects for every cluster: a DestinationRule with one subset of the service for each cluster."""
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
    """Return the objects for the importing clusters: the Service with the export's name, and its VirtualService."""
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
        # Where Envoy detects the protocol, it needs both kinds of rules.
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


def objects_in(
    cluster: str, service: str, source: str, ports: Sequence[ServicePort], *, clusters: Sequence[str]
) -> list[Obj]:
    """Return all objects of an export in one of the clusters."""
    mirror = mirror_objects(service, source, ports) if cluster != source else []
    return [*source_objects(service, clusters), *mirror]


def destination(service: str, cluster: str, port: int) -> Obj:
    """Return a route's destination: the subset of a service in one cluster."""
    return {"host": host(service), "subset": cluster, "port": {"number": port}}


def _app_protocol(port: ServicePort) -> Mapping[str, str]:
    return {"appProtocol": port.protocol} if port.protocol else {}


def apply(lab: Lab, service: str, source: str) -> bool:
    """Export a service, or update its export after a change of ports; return False if nothing was changed.

    Raises:
        ClusterError: as `exportable`; nothing was changed.
        NotOwnedError: another owner created an object of one of the names; nothing was changed.
    """
    name = exported_name(service, source)
    ports = exportable(lab.clusters[source], service, name=name, origin=origin)
    # The source first: its gateway must know the subset before callers send requests to it.
    clusters = sorted(lab.clusters.values(), key=lambda c: c.name != source)
    importing = {source, *importers(lab, source)}
    wanted = [
        (owned(lab, c), objects_in(c.name, service, source, ports, clusters=list(lab.clusters)))
        for c in clusters
        if c.name in importing
    ]
    for objects, parts in wanted:
        objects.check(parts)
    return any([objects.ensure_all(parts) for objects, parts in wanted])  # noqa: C419 - all of them, not only the first


def importers(lab: Lab, source: str) -> list[str]:
    """Return the clusters that know the exports of a source: all others that reach it."""
    return [name for name in lab.clusters if name != source and lab.spec.reaches(name, source)]


def remove(lab: Lab, service: str, source: str) -> bool:
    """Delete an export; return False if there was none. The subsets are deleted with the service's last export."""
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


def forget(lab: Lab, cluster: Cluster, source: str) -> None:
    """Delete the exports from a source in one importing cluster; the subsets stay."""
    objects = owned(lab, cluster)
    for obj in reversed(_mirrors(objects.kube, {SOURCE_LABEL: source})):
        objects.delete(ref(obj))


def listed(kube: Kube) -> Iterator[tuple[str, str]]:
    """Yield the exported services that a cluster knows, each as (service, exporting cluster)."""
    for obj in kube.find("v1", "Service", namespace=NAMESPACE):
        if (service_and_source := origin(obj)) is not None:
            yield service_and_source


def origin(service: Obj) -> tuple[str, str] | None:
    """Return the (service, cluster) that a Service is the export of, None for any other Service."""
    labels = labels_of(service)
    return (labels[EXPORTED_LABEL], labels[SOURCE_LABEL]) if SOURCE_LABEL in labels else None


def _mirrors(kube: Kube, labels: Mapping[str, str]) -> list[Obj]:
    kinds = (("v1", "Service"), (_NETWORKING, "VirtualService"))
    found = [obj for version, kind in kinds for obj in kube.find(version, kind, namespace=NAMESPACE, labels=labels)]
    return [obj for obj in found if SOURCE_LABEL in labels_of(obj)]


def owned(lab: Lab, cluster: Cluster) -> Owned:
    """Return the owner of the exports' objects in one cluster."""
    return lab.owned(connect(cluster), _PART)
