"""Intercepts on Istio: a VirtualService whose first rule matches a header and routes to another service."""

from __future__ import annotations

from lab.base.errors import ClusterError
from lab.base.names import LABEL_PREFIX, NAMESPACE, Cluster
from lab.kube import Kube, connect
from lab.kube.objects import Obj, Ref, annotations_of
from lab.lab import Lab
from lab.mesh import names
from lab.mesh.model import Intercept

_API = "networking.istio.io/v1"
_PART = "divert"
_LABEL = f"{LABEL_PREFIX}/divert"
# Annotations, because a header's value may contain characters that a label's may not.
_TO, _HEADER, _VALUE = (f"{LABEL_PREFIX}/divert-{part}" for part in ("to", "header", "value"))


def apply(lab: Lab, wanted: Intercept) -> None:
    """Apply an intercept."""
    kube = connect(lab.clusters[wanted.cluster])
    for name in (wanted.service, wanted.to):
        if kube.get(names.service_ref(name)) is None:
            raise ClusterError(f"there is no Service {name!r} in namespace {NAMESPACE}", where=wanted.cluster)
    for other in kube.find(_API, "VirtualService", namespace=NAMESPACE):
        same_host = names.host(wanted.service) in other["spec"].get("hosts", ())
        if same_host and other["metadata"]["name"] != _ref(wanted.service).name:
            raise ClusterError(
                f"requests to {wanted.service} are routed already, by VirtualService {other['metadata']['name']}",
                where=wanted.cluster,
                next=f"lab unsplit {wanted.service} or lab unfailover {wanted.service}",
            )
    lab.owned(kube, _PART).apply(build(wanted))


def remove(lab: Lab, cluster: Cluster, service: str) -> bool:
    """Delete an intercept; return False if there was none."""
    return lab.owned(connect(cluster), _PART).delete(_ref(service))


def listed(kube: Kube) -> list[Intercept]:
    """Return the intercepts of a cluster."""
    all_notes = [annotations_of(obj) for obj in kube.find(_API, "VirtualService", namespace=NAMESPACE)]
    return [
        Intercept(
            cluster=kube.cluster.name,
            service=notes[_LABEL],
            to=notes[_TO],
            header=notes[_HEADER],
            value=notes[_VALUE],
        )
        for notes in all_notes
        if _LABEL in notes
    ]


def build(wanted: Intercept) -> Obj:
    """Return the VirtualService."""
    intercepted: Obj = {"route": [{"destination": {"host": names.host(wanted.to)}}]}
    other: Obj = {"route": [{"destination": {"host": names.host(wanted.service)}}]}
    if wanted.header:
        rules = [{"match": [{"headers": {wanted.header.lower(): {"exact": wanted.value}}}], **intercepted}, other]
    else:
        rules = [intercepted]
    notes = {_LABEL: wanted.service, _TO: wanted.to, _HEADER: wanted.header, _VALUE: wanted.value}
    return {
        "apiVersion": _API,
        "kind": "VirtualService",
        "metadata": {"name": _ref(wanted.service).name, "namespace": NAMESPACE, "annotations": notes},
        "spec": {"hosts": [names.host(wanted.service)], "http": rules},
    }


def _ref(service: str) -> Ref:
    return Ref(api_version=_API, kind="VirtualService", name=f"{service}-divert", namespace=NAMESPACE)
