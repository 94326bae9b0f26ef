"""HTTPRoutes on Linkerd: build, apply and delete routes of a called Service, which may have one kind of route only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.base.errors import UsageError
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
    SPLIT_LABEL: ("are split", "lab unsplit {service} --in {cluster}"),
    FAILOVER_LABEL: ("fail over", "lab unfailover {service} --in {cluster}"),
    DIVERT_LABEL: ("are intercepted", "lab reset"),
}
"""By the label of a route: a verb phrase for errors, and the command that deletes the route."""
RETRIES = {"retry.linkerd.io/http": "5xx", "retry.linkerd.io/limit": "3"}


def build(name: str, service: str, port: int, rules: list[Obj], labels: Mapping[str, str], **metadata: Obj) -> Obj:
    """Return an HTTPRoute for one port of a service, with retries of failed requests."""
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
    """Return a backendRef of a Service."""
    return {"group": "", "kind": "Service", "name": name, "port": port, **more}


def write(objects: Owned, routes: Iterable[Obj]) -> None:
    """Apply routes, and return when Linkerd has accepted them.

    Raises:
        NotOwnedError: another owner created a route of one of the names; none was applied.
        WaitTimeout: Linkerd has not accepted a route; the error has its reason.
    """
    routes = list(routes)
    objects.apply_all(routes)
    objects.kube.wait_ready([ref(route) for route in routes], timeout_s=_ACCEPTED_S)


def delete(objects: Owned, labels: Mapping[str, str]) -> bool:
    """Delete the routes with these labels; return False if there was none."""
    routes = objects.kube.find(API, "HTTPRoute", namespace=NAMESPACE, labels=labels)
    gone = [objects.delete(ref(obj)) for obj in routes]
    return any(gone)


def refuse_other(kube: Kube, service: str, label: str = "", *, smi: bool = False) -> None:
    """Check that a service has no other kind of route.

    Args:
        kube: the callers' cluster.
        service: the called service.
        label: label of the wanted kind of route.
        smi: whether the wanted kind is a TrafficSplit.

    Raises:
        UsageError: the service has a route of another kind, or a TrafficSplit.
    """
    for obj in kube.find(API, "HTTPRoute", namespace=NAMESPACE):
        for other, (verb, undo) in _USES.items():
            if other != label and labels_of(obj).get(other) == service:
                raise _other_kind(kube, service, verb, undo)
    if not smi and any(
        obj["spec"]["service"] == service for obj in kube.find(SMI_API, "TrafficSplit", namespace=NAMESPACE)
    ):
        raise _other_kind(kube, service, "are split by an SMI TrafficSplit", _USES[SPLIT_LABEL][1])


def _other_kind(kube: Kube, service: str, verb: str, undo: str) -> UsageError:
    return UsageError(
        f"requests to {service} {verb} already; a service has one kind of route",
        where=kube.cluster.name,
        next=f"{undo.format(service=service, cluster=kube.cluster.name)}, then the command again",
    )


def http_ports(kube: Kube, service: str, names: Iterable[str]) -> list[int]:
    """Return the HTTP ports of the called service.

    Args:
        kube: the callers' cluster.
        service: the called service.
        names: services that could be called instead, for the error.

    Raises:
        UsageError: there is no such Service, or it has no HTTP port.
    """
    return [port.number for port in called_ports(kube, service, names)]
