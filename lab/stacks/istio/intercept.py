"""Intercepts on Istio: a VirtualService whose first rule matches a header and routes to another service."""

from __future__ import annotations

from lab.base.errors import UsageError
from lab.base.names import LABEL_PREFIX, NAMESPACE, Cluster
from lab.kube import Kube, connect
from lab.kube.objects import Obj, Ref, annotations_of, labels_of
from lab.lab import Lab
from lab.mesh import names
from lab.mesh.model import Intercept
from lab.mesh.weights import FAILOVER_LABEL, SPLIT_LABEL

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
            raise UsageError(
                f"Service {name!r} does not exist in namespace {NAMESPACE}",
                where=wanted.cluster,
                next="name a Service that exists there",
            )
    for other in kube.find(_API, "VirtualService", namespace=NAMESPACE):
        same_host = names.host(wanted.service) in other["spec"].get("hosts", ())
        if same_host and other["metadata"]["name"] != _ref(wanted.service).name:
            raise UsageError(
                f"requests to {wanted.service} are routed already, by VirtualService {other['metadata']['name']}",
                where=wanted.cluster,
                next=_undo(wanted, other),
            )
    lab.owned(kube, _PART).apply(build(wanted))


def _undo(wanted: Intercept, other: Obj) -> str:
    """Return the command that deletes the VirtualService which routes the service's requests."""
    for label, undo in ((SPLIT_LABEL, "lab unsplit"), (FAILOVER_LABEL, "lab unfailover")):
        if label in labels_of(other):
            return f"{undo} {wanted.service} --in {wanted.cluster}, then the command again"
    return f"delete VirtualService {other['metadata']['name']}, then run the command again"


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
