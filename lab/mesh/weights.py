"""What all meshes ask of the weights of a split, and how a split is marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.base.errors import ClusterError
from lab.base.names import LABEL_PREFIX, NAMESPACE
from lab.kube import Kube
from lab.mesh.names import ServicePort, ports_of, service_ref

SPLIT_LABEL = f"{LABEL_PREFIX}/split"
"""On an object that divides requests: the called service."""
FAILOVER_LABEL = f"{LABEL_PREFIX}/failover"
"""On an object that prefers a cluster: the called service."""


def called_ports(kube: Kube, service: str, names: Iterable[str]) -> tuple[ServicePort, ...]:
    """Return the ports that requests come in at: the called service's own, which the cluster has to know.

    Raises:
        ClusterError: there is no such Service, or it has no HTTP port.
    """
    found = kube.get(service_ref(service))
    others = [name for name in names if name != service]
    if found is None:
        raise ClusterError(
            f"there is no Service {service!r} to call in namespace {NAMESPACE}",
            where=kube.cluster.name,
            next="name a service that is there" + (f", or call {', '.join(others)} itself" if others else ""),
        )
    ports = tuple(port for port in ports_of(found) if port.is_http)
    if not ports:
        raise ClusterError(f"{service} has no HTTP port, and only requests can be split", where=kube.cluster.name)
    return ports


def check_weights(cluster: str, weights: Mapping[str, int]) -> None:
    """Check the weights of a split.

    Raises:
        ClusterError: one is not from 0 to 100, or all are 0.
    """
    wrong = {name: weight for name, weight in weights.items() if not 0 <= weight <= 100}
    if wrong:
        given = ", ".join(f"{name}={weight}" for name, weight in wrong.items())
        raise ClusterError(f"weights are whole numbers from 0 to 100, not {given}", where=cluster)
    if sum(weights.values()) == 0:
        raise ClusterError(
            "the weights add up to 0, so that nobody would answer", where=cluster, next="give one of them a part"
        )
