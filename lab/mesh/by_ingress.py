"""What both meshes do alike for a service that an ingress carries: its name, its one port, its marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.base.errors import ClusterError
from lab.base.names import LABEL_PREFIX
from lab.kube import Kube, connect
from lab.kube.objects import labels_of, ref
from lab.kube.owned import Owned
from lab.lab import Lab
from lab.mesh import exports

_SERVICE, _SOURCE = f"{LABEL_PREFIX}/carried-service", f"{LABEL_PREFIX}/carried-from"
ObjectKind = tuple[str, str, str]
"""Where objects are: apiVersion, kind, namespace."""


def name_of(service: str, source: str) -> str:
    """Return the name of a carried service in the other clusters."""
    return f"{service}-by-ingress-{source}"


def labels(service: str, source: str) -> Mapping[str, str]:
    """Return the labels of everything that makes up one carried service."""
    return {_SERVICE: service, _SOURCE: source}


def owned(lab: Lab, cluster: str) -> Owned:
    """Return what makes up carried services in one cluster."""
    return lab.owned(connect(lab.clusters[cluster]), "carry")


def http_port(lab: Lab, service: str, source: str, *, origin: exports.Origin) -> int:
    """Return the one port that an ingress can carry.

    Raises:
        ClusterError: the service cannot be exported, or has not one HTTP port.
    """
    name = name_of(service, source)
    tcp = exports.exportable(lab.clusters[source], service, name=name, origin=origin)
    ports = [port for port in tcp if port.is_http]
    if unnamed := [port.number for port in tcp if port.is_detected]:
        raise ClusterError(
            f"the protocol of {service}'s port {unnamed[0]} is not known: the port has neither an `appProtocol` nor a "
            "name that begins with its protocol",
            where=source,
            next=f"set `appProtocol: http` on that port of {service}",
        )
    if len(ports) != 1:
        raise ClusterError(
            f"an ingress carries a service with one HTTP port; {service} has {len(ports)}",
            where=source,
            next=f"lab export {service} --from {source}: the mesh's gateway carries all of its ports",
        )
    return ports[0].number


def delete(lab: Lab, service: str, source: str, places: Iterable[ObjectKind]) -> bool:
    """Delete what makes up a carried service, in all clusters; False when there was nothing."""
    marks = labels(service, source)
    kinds = tuple(places)
    gone = [
        objects.delete(ref(obj))
        for objects in (owned(lab, cluster) for cluster in lab.clusters)
        for version, kind, namespace in kinds
        for obj in objects.kube.find(version, kind, namespace=namespace, labels=marks)
    ]
    return any(gone)


def listed(kube: Kube, place: ObjectKind) -> list[tuple[str, str]]:
    """Return the services that a cluster's ingress carries, each with its cluster; `place` is of what leads to them."""
    version, kind, namespace = place
    found = map(labels_of, kube.find(version, kind, namespace=namespace))
    return [(marks[_SERVICE], marks[_SOURCE]) for marks in found if _SERVICE in marks]
