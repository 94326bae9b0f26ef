"""Intercepts on Linkerd: an HTTPRoute whose first rule matches a header and routes to another service."""

from __future__ import annotations

from lab.base.errors import UsageError
from lab.base.names import LABEL_PREFIX, NAMESPACE, Cluster
from lab.kube import Kube, connect
from lab.kube.objects import Obj, annotations_of, labels_of
from lab.lab import Lab
from lab.mesh import names
from lab.mesh.model import Intercept
from lab.stacks.linkerd import route
from lab.stacks.linkerd.route import DIVERT_LABEL

_PART = "divert"
# Annotations, because a header's value may contain characters that a label's may not.
_TO, _HEADER, _VALUE = (f"{LABEL_PREFIX}/divert-{part}" for part in ("to", "header", "value"))


def apply(lab: Lab, wanted: Intercept) -> None:
    """Apply an intercept."""
    kube = connect(lab.clusters[wanted.cluster])
    ports = route.http_ports(kube, wanted.service, (wanted.to,))
    if kube.get(names.service_ref(wanted.to)) is None:
        raise UsageError(
            f"Service {wanted.to!r} does not exist in namespace {NAMESPACE}",
            where=wanted.cluster,
            next="name a Service that exists there",
        )
    route.refuse_other(kube, wanted.service, DIVERT_LABEL)
    route.write(lab.owned(kube, _PART), [build(wanted, port) for port in ports])


def remove(lab: Lab, cluster: Cluster, service: str) -> bool:
    """Delete an intercept; return False if there was none."""
    return route.delete(lab.owned(connect(cluster), _PART), {DIVERT_LABEL: service})


def listed(kube: Kube) -> list[Intercept]:
    """Return the intercepts of a cluster."""
    intercepts = {
        Intercept(cluster=kube.cluster.name, service=service, to=notes[_TO], header=notes[_HEADER], value=notes[_VALUE])
        for obj in kube.find(route.API, "HTTPRoute", namespace=NAMESPACE)
        if (service := labels_of(obj).get(DIVERT_LABEL)) and (notes := annotations_of(obj))
    }
    return sorted(intercepts, key=lambda intercept: intercept.service)


def build(wanted: Intercept, port: int) -> Obj:
    """Return the HTTPRoute for one port, which both services have."""
    intercepted: Obj = {"backendRefs": [route.backend(wanted.to, port)]}
    other: Obj = {"backendRefs": [route.backend(wanted.service, port)]}
    match = {"matches": [{"headers": [{"type": "Exact", "name": wanted.header, "value": wanted.value}]}]}
    return route.build(
        f"{wanted.service}-divert-{port}",
        wanted.service,
        port,
        [{**match, **intercepted}, other] if wanted.header else [intercepted],
        {DIVERT_LABEL: wanted.service},
        annotations={_TO: wanted.to, _HEADER: wanted.header, _VALUE: wanted.value},
    )
