"""Diversions on Linkerd: an HTTPRoute whose first rule, by a header, leads to another service."""

from __future__ import annotations

from lab.components import export
from lab.components.inventory import labels as component_labels
from lab.context import Lab
from lab.errors import ClusterError
from lab.kube import Kube, connect
from lab.mesh import linkerd_route
from lab.mesh.linkerd_route import DIVERT_LABEL
from lab.mesh.model import Divert
from lab.model import LABEL_PREFIX, NAMESPACE, Cluster
from lab.objects import Obj, annotations_of, labelled, labels_of

# A header's value may hold what a label's may not.
_TO, _HEADER, _VALUE = (f"{LABEL_PREFIX}/divert-{part}" for part in ("to", "header", "value"))


def apply(lab: Lab, wanted: Divert) -> None:
    """Write a diversion."""
    kube = connect(lab.clusters[wanted.cluster])
    ports = linkerd_route.http_ports(kube, wanted.service, (wanted.to,))
    if kube.get(export.service_ref(wanted.to)) is None:
        raise ClusterError(f"there is no Service {wanted.to!r} in namespace {NAMESPACE}", where=wanted.cluster)
    linkerd_route.refuse_other(kube, wanted.service, DIVERT_LABEL)
    owned = component_labels(lab.spec.name, "divert")
    linkerd_route.write(kube, [labelled(build(wanted, port), owned) for port in ports])


def remove(cluster: Cluster, service: str) -> bool:
    """Delete a diversion; False when there was none."""
    return linkerd_route.delete(connect(cluster), {DIVERT_LABEL: service})


def listed(kube: Kube) -> list[Divert]:
    """Return the diversions that a cluster has."""
    found = {
        Divert(cluster=kube.cluster.name, service=service, to=notes[_TO], header=notes[_HEADER], value=notes[_VALUE])
        for obj in kube.find(linkerd_route.API, "HTTPRoute", namespace=NAMESPACE)
        if (service := labels_of(obj).get(DIVERT_LABEL)) and (notes := annotations_of(obj))
    }
    return sorted(found, key=lambda divert: divert.service)


def build(wanted: Divert, port: int) -> Obj:
    """Return the HTTPRoute for one port, which both services have."""
    away: Obj = {"backendRefs": [linkerd_route.backend(wanted.to, port)]}
    home: Obj = {"backendRefs": [linkerd_route.backend(wanted.service, port)]}
    match = {"matches": [{"headers": [{"type": "Exact", "name": wanted.header, "value": wanted.value}]}]}
    return linkerd_route.build(
        f"{wanted.service}-divert-{port}",
        wanted.service,
        port,
        [{**match, **away}, home] if wanted.header else [away],
        {DIVERT_LABEL: wanted.service},
        annotations={_TO: wanted.to, _HEADER: wanted.header, _VALUE: wanted.value},
    )
