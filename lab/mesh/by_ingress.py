"""The common part of ingress routes in all meshes: names, labels, and the check for one HTTP port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.base.errors import UsageError
from lab.base.names import LABEL_PREFIX
from lab.kube import Kube, connect
from lab.kube.objects import labels_of, ref
from lab.kube.owned import Owned
from lab.lab import Lab
from lab.mesh import exports

_SERVICE, _SOURCE = f"{LABEL_PREFIX}/carried-service", f"{LABEL_PREFIX}/carried-from"
ObjectKind = tuple[str, str, str]
"""apiVersion, kind and namespace of objects."""


def name_of(service: str, source: str) -> str:
    """Return the name by which other clusters call a service through its cluster's ingress."""
    return f"{service}-by-ingress-{source}"


def labels(service: str, source: str) -> Mapping[str, str]:
    """Return the labels of all objects of one ingress route."""
    return {_SERVICE: service, _SOURCE: source}


def owned(lab: Lab, cluster: str) -> Owned:
    """Return the owner of the ingress routes' objects in one cluster."""
    return lab.owned(connect(lab.clusters[cluster]), "carry")


def http_port(lab: Lab, service: str, source: str, *, origin: exports.Origin) -> int:
    """Return the port of a service that has exactly one HTTP port.

    Raises:
        UsageError: the service cannot be exported, or does not have exactly one HTTP port.
    """
    name = name_of(service, source)
    tcp = exports.exportable(lab.clusters[source], service, name=name, origin=origin)
    ports = [port for port in tcp if port.is_http]
    if unnamed := [port.number for port in tcp if port.is_detected]:
        raise UsageError(
            f"the protocol of {service}'s port {unnamed[0]} is not known: the port has neither an `appProtocol` nor a "
            "name that begins with its protocol",
            where=source,
            next=f"set `appProtocol: http` on that port of {service}",
        )
    if len(ports) != 1:
        raise UsageError(
            f"an ingress route needs a service with exactly one HTTP port; {service} has {len(ports)}",
            where=source,
            next=f"lab export {service} --from {source}: the mesh's gateway forwards all of its ports",
        )
    return ports[0].number


def delete(lab: Lab, service: str, source: str, kinds: Iterable[ObjectKind]) -> bool:
    """Delete the objects of an ingress route in all clusters; return False if there were none."""
    selector = labels(service, source)
    kinds = tuple(kinds)
    gone = [
        objects.delete(ref(obj))
        for objects in (owned(lab, cluster) for cluster in lab.clusters)
        for version, kind, namespace in kinds
        for obj in objects.kube.find(version, kind, namespace=namespace, labels=selector)
    ]
    return any(gone)


def listed(kube: Kube, route: ObjectKind) -> list[tuple[str, str]]:
    """Return the ingress routes of a cluster, each as (service, source cluster).

    Args:
        kube: the cluster whose ingress routes the requests.
        route: kind of the object by which the ingress routes them.
    """
    version, kind, namespace = route
    all_labels = map(labels_of, kube.find(version, kind, namespace=namespace))
    return [(each[_SERVICE], each[_SOURCE]) for each in all_labels if _SERVICE in each]
