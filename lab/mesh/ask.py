"""Query several clusters at once and combine their answers; the same for every mesh."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from lab.base.concurrency import at_once
from lab.base.errors import ClusterError
from lab.base.names import NAMESPACE
from lab.kube import Kube, KubeError, connect
from lab.kube.objects import labels_of
from lab.lab import Lab
from lab.mesh.model import Export
from lab.mesh.names import exported_name
from lab.mesh.protocols import Mesh

T = TypeVar("T")

ASK_S = 4.0
"""Time limit of one request in seconds: long enough for a busy cluster, short enough for `lab status`."""


def each(
    lab: Lab, clusters: Iterable[str] | None, ask: Callable[[Kube], T], otherwise: Callable[[str, KubeError], T]
) -> dict[str, T]:
    """Call `ask` for several clusters at once.

    Args:
        lab: the lab with the clusters.
        clusters: names of clusters; None for all.
        ask: queries one cluster.
        otherwise: returns the answer for a cluster that raised KubeError.
    """
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
    """Return the answers of all clusters as one list."""
    return [item for items in answers.values() for item in items]


def east_west_address(mesh: Mesh, cluster: str) -> tuple[str, int]:
    """Return address and port of a cluster's east-west gateway.

    Raises:
        ClusterError: the cluster has no such gateway, or the gateway has no address.
    """
    for gateway in mesh.gateways([cluster]):
        if gateway.role == "east-west" and gateway.address:
            return gateway.address, gateway.port
    raise ClusterError("the cluster has no east-west gateway with an address", where=cluster, next="lab status")


def exports(
    lab: Lab, clusters: Iterable[str] | None, listed: Callable[[Kube], Iterable[tuple[str, str]]]
) -> list[Export]:
    """Return the exported services that clusters know.

    Args:
        lab: the lab with the clusters.
        clusters: names of the importing clusters; None for all.
        listed: yields a cluster's imported services, each as (service, exporting cluster).
    """
    importers: dict[tuple[str, str], list[str]] = {}
    counts: dict[str, Mapping[str, int]] = {}

    def of(kube: Kube) -> tuple[list[tuple[str, str]], Mapping[str, int]]:
        return list(listed(kube)), ready_endpoints(kube)

    for name, (imported, ready) in each(lab, clusters, of, lambda *_: ([], {})).items():
        counts[name] = ready
        for service_and_source in imported:
            importers.setdefault(service_and_source, []).append(name)
    return [
        Export(
            service=service,
            source=source,
            name=exported_name(service, source),
            seen_in=tuple(names),
            endpoints=counts[source].get(service, 0) if counts.get(source) else None,
        )
        for (service, source), names in sorted(importers.items())
    ]


def ready_endpoints(kube: Kube) -> dict[str, int]:
    """Return how many ready endpoints each Service of the applications has."""
    counts: dict[str, int] = {}
    for slices in kube.find("discovery.k8s.io/v1", "EndpointSlice", namespace=NAMESPACE):
        service = labels_of(slices).get("kubernetes.io/service-name", "")
        ready = sum(bool((e.get("conditions") or {}).get("ready")) for e in slices.get("endpoints") or ())
        counts[service] = counts.get(service, 0) + ready
    return counts
