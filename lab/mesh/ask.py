"""How a mesh asks several clusters at once, and what it then makes of the answers, whatever product it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from lab.base.concurrency import at_once
from lab.base.errors import ClusterError
from lab.base.names import NAMESPACE
from lab.kube import Kube, KubeError, connect
from lab.kube.objects import Obj, labels_of, unready
from lab.lab import Lab
from lab.mesh.model import Export
from lab.mesh.names import exported_name
from lab.mesh.protocols import Mesh

T = TypeVar("T")

ASK_S = 1.5
"""Seconds: one screen of status must not wait for a cluster that is down."""


def each(
    lab: Lab, clusters: Iterable[str] | None, ask: Callable[[Kube], T], otherwise: Callable[[str, KubeError], T]
) -> dict[str, T]:
    """Ask several clusters at once, all of the lab for None; `otherwise` answers for one that does not."""
    names = list(clusters) if clusters is not None else list(lab.clusters)
    answers: dict[str, T] = {}

    def one(name: str) -> None:
        try:
            answers[name] = ask(connect(lab.clusters[name], timeout_s=ASK_S))
        except KubeError as error:
            answers[name] = otherwise(name, error)

    at_once(one, names)
    return {name: answers[name] for name in names}


def flat(answers: Mapping[str, Sequence[T]]) -> list[T]:
    """Return what all clusters answered, as one list."""
    return [item for found in answers.values() for item in found]


def east_west_address(mesh: Mesh, cluster: str) -> tuple[str, int]:
    """Return address and port of a cluster's gateway for other clusters.

    Raises:
        ClusterError: it has none, or no address.
    """
    for gateway in mesh.gateways([cluster]):
        if gateway.role == "east-west" and gateway.address:
            return gateway.address, gateway.port
    raise ClusterError("there is no gateway with an address", where=cluster, next="lab status")


def exports(
    lab: Lab, clusters: Iterable[str] | None, listed: Callable[[Kube], Iterable[tuple[str, str]]]
) -> list[Export]:
    """Put together which exported services clusters see.

    Args:
        lab: whose clusters.
        clusters: which of them; None for all.
        listed: yields what one cluster sees, each as the service and the cluster that it runs in.
    """
    seen: dict[tuple[str, str], list[str]] = {}
    counts: dict[str, Mapping[str, int]] = {}

    def of(kube: Kube) -> tuple[list[tuple[str, str]], Mapping[str, int]]:
        return list(listed(kube)), ready_endpoints(kube)

    for name, (found, ready) in each(lab, clusters, of, lambda *_: ([], {})).items():
        counts[name] = ready
        for exported in found:
            seen.setdefault(exported, []).append(name)
    return [
        Export(
            service=service,
            source=source,
            name=exported_name(service, source),
            seen_in=tuple(names),
            endpoints=counts[source].get(service, 0) if counts.get(source) else None,
        )
        for (service, source), names in sorted(seen.items())
    ]


def ready_endpoints(kube: Kube) -> dict[str, int]:
    """Return how many ready endpoints each Service of the applications has."""
    counts: dict[str, int] = {}
    for found in kube.find("discovery.k8s.io/v1", "EndpointSlice", namespace=NAMESPACE):
        service = labels_of(found).get("kubernetes.io/service-name", "")
        ready = sum(bool((e.get("conditions") or {}).get("ready")) for e in found.get("endpoints") or ())
        counts[service] = counts.get(service, 0) + ready
    return counts


def not_serving(deployment: Obj | None) -> str:
    """Say why a gateway's Deployment serves nobody; empty where it does."""
    if deployment is None:
        return "its Deployment does not exist"
    if deployment["spec"].get("replicas", 1) == 0:
        return "it was scaled to no pods"
    return unready(deployment) or ""
