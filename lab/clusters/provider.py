"""Where clusters come from: what every source of clusters can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from lab.base.names import Cluster
from lab.base.step import StepResult
from lab.lab import Lab


class NodeStatus(Enum):
    """What is there of a cluster, seen from outside of it."""

    ABSENT = "absent"
    FOREIGN = "not the lab's"
    UNFINISHED = "unfinished"
    """Left over by a run that was killed."""
    STOPPED = "stopped"
    PAUSED = "paused"
    RUNNING = "running"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A cluster's node from outside. `address` is where other clusters reach it, None while it is not known."""

    name: str
    status: NodeStatus
    address: str | None = None
    image: str | None = None


@dataclass(frozen=True, kw_only=True)
class Owned:
    """A thing on this machine that the lab owns, such as the container `dev-east-control-plane`."""

    kind: str
    name: str


class Provider(Protocol):
    """A source of clusters."""

    def prepare(self, lab: Lab) -> StepResult:
        """Make what all clusters need together, such as their network."""

    def ensure(self, lab: Lab, cluster: Cluster, *, image: str) -> StepResult:
        """Make the cluster be there, its API server answer and its kubeconfig context stand in the lab's kubeconfig.

        Args:
            lab: whose cluster.
            cluster: which one.
            image: the artifact that a node that is not there yet is made from.

        Raises:
            ClusterError: one of that name is there and not the lab's, or was made with settings that cannot change.
        """

    def look(self, lab: Lab) -> dict[str, Node]:
        """Say of every cluster of the lab what is there, by its name, without asking its API server."""

    def ensure_images(self, lab: Lab, cluster: Cluster, images: Sequence[str]) -> StepResult:
        """Bring images of the local Docker store into the nodes that lack them."""

    def owned(self, lab: Lab) -> list[Owned]:
        """List all that the lab owns outside of the clusters."""

    def remove(self, lab: Lab) -> None:
        """Take away all that the lab owns, and nothing else."""
