"""Where clusters come from: what every source of clusters can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from lab.base.names import Cluster
from lab.base.process import Completed
from lab.base.step import StepResult
from lab.lab import Lab
from lab.measure.capture import Capture


class NodeStatus(Enum):
    """What is there of a cluster, seen from outside of it."""

    ABSENT = "absent"
    FOREIGN = "not the lab's"
    UNFINISHED = "unfinished"
    """Left over by a run that was killed."""
    STOPPED = "stopped"
    PAUSED = "paused"
    RUNNING = "running"


STANDS_STILL = frozenset({NodeStatus.STOPPED, NodeStatus.PAUSED})
"""A node that `Power.start` brings back."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A cluster's node from outside. `address` is where other clusters reach it, None while it is not known."""

    name: str
    status: NodeStatus
    address: str | None = None
    image: str | None = None


@dataclass(frozen=True, kw_only=True)
class OwnedResource:
    """A thing on this machine that the lab owns, such as the container `dev-east-control-plane`."""

    kind: str
    name: str


class Power(Protocol):
    """Stops and starts nodes."""

    def stop(self, cluster: Cluster) -> None:
        """Stop a cluster's node as a shutdown does."""

    def kill(self, cluster: Cluster) -> str:
        """Kill a cluster's node as a power cut does, and return the command that does it, as it can be typed."""

    def pause(self, cluster: Cluster) -> None:
        """Suspend a cluster's node, as a laptop's sleep does."""

    def start(self, cluster: Cluster, *, timeout_s: float = 180) -> bool:
        """Start or resume a cluster's node and return when the cluster is back; True where the node stood still.

        The API server says for a while what was true before; this waits until the node and its pods have reported
        since the start.

        Raises:
            ClusterError: there is no such node.
            WaitTimeout: the cluster is not back in time.
        """


@dataclass(frozen=True, kw_only=True)
class WireState:
    """What the nodes' routing tables say.

    `missing_routes` are those that keep traffic to other clusters' pods and Services where it belongs, by the cluster
    that lacks them. `cuts` are pairs of a cluster and the one that it drops all traffic to.
    """

    missing_routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cuts: tuple[tuple[str, str], ...] = ()


class Wire(Protocol):
    """The network between clusters."""

    def cut(self, source: Cluster, target: Cluster) -> str:
        """Drop all that a cluster sends to another one's node; returns the command that does it, as it can be typed."""

    def restore(self, source: Cluster, target: Cluster) -> bool:
        """Undo `cut`; True where it was cut."""

    def reaches(self, source: Cluster, address: str, port: int) -> bool:
        """Say whether a cluster's node can connect to a port at an address, within a second."""

    def ensure_routes(self, lab: Lab) -> StepResult:
        """Put the routes between clusters where they are missing."""

    def state(self, lab: Lab, clusters: Sequence[str]) -> WireState:
        """Return what the routing tables of several clusters' nodes say; a node that does not answer says nothing."""

    def capture(self, lab: Lab, cluster: Cluster) -> Capture:
        """Return a capture, to be used in a `with` block, of what a cluster's node sends and receives.

        Raises:
            CaptureUnavailableError: it needs what this machine does not have.
        """


class NodeShell(Protocol):
    """Commands in nodes."""

    def run(self, cluster: Cluster, argv: Sequence[str], *, check: bool = True, timeout_s: float = 60) -> Completed:
        """Run a command in a cluster's node.

        Raises:
            CommandError: it exited with an error and `check` is set.
            CommandTimeout: it did not end in time.
        """

    def logs(self, cluster: Cluster) -> str:
        """Return what a cluster's node itself printed."""


class Provider(Protocol):
    """A source of clusters, and the only way to their nodes."""

    @property
    def power(self) -> Power:
        """The nodes' power."""

    @property
    def wire(self) -> Wire:
        """The network between the clusters."""

    @property
    def shell(self) -> NodeShell:
        """Commands in nodes."""

    def prepare(self, lab: Lab) -> StepResult:
        """Make what all clusters need together, such as their network."""

    def ensure(self, lab: Lab, cluster: Cluster, *, image: str) -> StepResult:
        """Make the cluster be there, its API server answer and its kubeconfig context stand in the lab's kubeconfig.

        Args:
            lab: whose cluster.
            cluster: which one.
            image: the artifact that a new node is created from.

        Raises:
            ClusterError: one of that name is there and not the lab's, or was made with settings that cannot change.
        """

    def look(self, lab: Lab) -> dict[str, Node]:
        """Say of every cluster of the lab what is there, by its name, without asking its API server."""

    def ensure_images(self, lab: Lab, cluster: Cluster, images: Sequence[str]) -> StepResult:
        """Bring images of the local Docker store into the nodes that lack them."""

    def owned(self, lab: Lab) -> list[OwnedResource]:
        """List all that the lab owns outside of the clusters."""

    def foreign(self, lab: Lab) -> str:
        """Say whose the clusters of this lab's name are, where they are another lab's; else nothing."""

    def remove(self, lab: Lab) -> None:
        """Delete everything that the lab owns, and nothing else."""
