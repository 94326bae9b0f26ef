"""HTTPRoutes on Linkerd whose parent is the Service that is called: written, found, and one kind for each service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.base.errors import ClusterError
from lab.base.names import LABEL_PREFIX, NAMESPACE
from lab.kube import Kube
from lab.kube.objects import Obj, labels_of, ref
from lab.kube.owned import Owned
from lab.mesh.weights import FAILOVER_LABEL, SPLIT_LABEL, called_ports

API = "gateway.networking.k8s.io/v1"
DIVERT_LABEL = f"{LABEL_PREFIX}/divert"
SMI_API = "split.smi-spec.io/v1alpha2"
_ACCEPTED_S = 15
_USES = {
    SPLIT_LABEL: ("are split", "lab unsplit"),
    FAILOVER_LABEL: ("fail over", "lab unfailover"),
    DIVERT_LABEL: ("are diverted", "lab reset, not"),
}
"""By the label on a route: what requests to the service do, and the command that ends it."""
RETRIES = {"retry.linkerd.io/http": "5xx", "retry.linkerd.io/limit": "3"}


def build(name: str, service: str, port: int, rules: list[Obj], labels: Mapping[str, str], **metadata: Obj) -> Obj:
    """Return an HTTPRoute for one port of a service that repeats what failed."""
    annotations = {**RETRIES, **metadata.get("annotations", {})}
    return {
        "apiVersion": API,
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": dict(labels), "annotations": annotations},
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": service, "port": port}],
            "rules": rules,
        },
    }


def backend(name: str, port: int, **more: str | int) -> Obj:
    """Return a reference to a Service."""
    return {"group": "", "kind": "Service", "name": name, "port": port, **more}


def write(objects: Owned, routes: Iterable[Obj]) -> None:
    """Apply routes, and return when Linkerd has accepted them.

    Raises:
        NotOwnedError: another owner created a route of one of the names; none was applied.
        WaitTimeout: it has not, with its reason.
    """
    routes = list(routes)
    objects.apply_all(routes)
    objects.kube.wait_ready([ref(route) for route in routes], timeout_s=_ACCEPTED_S)


def delete(objects: Owned, labels: Mapping[str, str]) -> bool:
    """Delete the routes with these labels; False when there was none."""
    found = objects.kube.find(API, "HTTPRoute", namespace=NAMESPACE, labels=labels)
    gone = [objects.delete(ref(obj)) for obj in found]
    return any(gone)


def refuse_other(kube: Kube, service: str, label: str = "", *, smi: bool = False) -> None:
    """Refuse a service whose requests are changed in another way already.

    Raises:
        ClusterError: they are routed already, by something else than `label`, or else than a TrafficSplit (`smi`).
    """
    for obj in kube.find(API, "HTTPRoute", namespace=NAMESPACE):
        for other, (does, undo) in _USES.items():
            if other != label and labels_of(obj).get(other) == service:
                raise _taken(kube, service, does, undo)
    if not smi and any(
        obj["spec"]["service"] == service for obj in kube.find(SMI_API, "TrafficSplit", namespace=NAMESPACE)
    ):
        raise _taken(kube, service, "are split by an SMI TrafficSplit", "lab unsplit")


def _taken(kube: Kube, service: str, does: str, undo: str) -> ClusterError:
    return ClusterError(
        f"requests to {service} {does} already, and a service has one or the other",
        where=kube.cluster.name,
        next=f"`{undo} {service} --in {kube.cluster.name}` first",
    )


def http_ports(kube: Kube, service: str, names: Iterable[str]) -> list[int]:
    """Return the ports that requests come in at: the called service's own, which the cluster has to know.

    Raises:
        ClusterError: there is no such Service, or it has no HTTP port.
    """
    return [port.number for port in called_ports(kube, service, names)]
