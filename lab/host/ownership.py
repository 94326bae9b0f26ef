"""Whose a node container is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.base.names import LAB_LABEL
from lab.base.paths import Paths
from lab.tools.docker_records import Container, Network
from lab.tools.kind import CLUSTER_LABEL


def own_networks(lab_name: str, networks: Iterable[Network]) -> frozenset[str]:
    """Return the names of the networks that carry a lab's label."""
    return frozenset(network.name for network in networks if network.labels.get(LAB_LABEL) == lab_name)


def is_own_node(container: Container, *, lab_name: str, networks: frozenset[str], paths: Paths) -> bool:
    """Say whether a container is a node of a lab: kind's, of this lab's name, and on one of its `networks`.

    A node on no network at all is one, too, where the lab has kept the configuration that made it: a run was killed
    between taking the node off its network and putting it back with an address of its own.
    """
    cluster = _cluster_of(container.labels, lab_name)
    if cluster is None:
        return False
    if container.networks:
        return not networks.isdisjoint(container.networks)
    return paths.kind_config(cluster).exists()


def _cluster_of(labels: Mapping[str, str], lab_name: str) -> str | None:
    of_kind, prefix = labels.get(CLUSTER_LABEL, ""), f"{lab_name}-"
    return of_kind.removeprefix(prefix) if of_kind.startswith(prefix) else None
