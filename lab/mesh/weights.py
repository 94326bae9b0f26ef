"""Check the weights of a split, and name the labels of splits and failovers; the same for every mesh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lab.base.errors import UsageError
from lab.base.names import LABEL_PREFIX, NAMESPACE
from lab.kube import Kube
from lab.kube.objects import Obj
from lab.mesh.names import ServicePort, ports_of, service_ref

SPLIT_LABEL = f"{LABEL_PREFIX}/split"
"""Label of an object that divides requests; its value is the called service."""
FAILOVER_LABEL = f"{LABEL_PREFIX}/failover"
"""Label of an object that prefers one cluster; its value is the called service."""
_FURTHER = f"{LABEL_PREFIX}/further"


def further_annotation(clusters: Sequence[str]) -> dict[str, str]:
    """Return the annotation of a failover's object with the clusters after the backup, in order; none for none."""
    return {_FURTHER: " ".join(clusters)} if clusters else {}


def further_of(obj: Obj) -> tuple[str, ...]:
    """Return the clusters after the backup that a failover's object names."""
    return tuple((obj["metadata"].get("annotations") or {}).get(_FURTHER, "").split())


def called_ports(kube: Kube, service: str, names: Iterable[str]) -> tuple[ServicePort, ...]:
    """Return the HTTP ports of the called service.

    Args:
        kube: the callers' cluster.
        service: the called service.
        names: services that could be called instead, for the error.

    Raises:
        UsageError: there is no such Service, or it has no HTTP port.
    """
    called = kube.get(service_ref(service))
    others = [name for name in names if name != service]
    if called is None:
        raise UsageError(
            f"Service {service!r} does not exist in namespace {NAMESPACE}",
            where=kube.cluster.name,
            next="name a service that exists there" + (f", or call {', '.join(others)} itself" if others else ""),
        )
    ports = tuple(port for port in ports_of(called) if port.is_http)
    if not ports:
        raise UsageError(
            f"{service} has no HTTP port, and a mesh routes HTTP requests only",
            where=kube.cluster.name,
            next=f"set `appProtocol: http` on a port of {service}, or name another Service",
        )
    return ports


def check_weights(cluster: str, weights: Mapping[str, int]) -> None:
    """Check the weights of a split; `cluster` is for the error, and can be empty.

    Raises:
        UsageError: one is not from 0 to 100, or all are 0.
    """
    wrong = {name: weight for name, weight in weights.items() if not 0 <= weight <= 100}
    if wrong:
        given = ", ".join(f"{name}={weight}" for name, weight in wrong.items())
        raise UsageError(
            f"weights are whole numbers from 0 to 100, not {given}",
            where=cluster,
            next="give weights such as podinfo=50 podinfo-east=50",
        )
    if sum(weights.values()) == 0:
        raise UsageError(
            "the weights add up to 0: no service would answer", where=cluster, next="give one service a weight above 0"
        )
