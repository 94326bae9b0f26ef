"""The interface of a cluster provider: clusters, their nodes and the network between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from lab.base.distance import Distance
from lab.base.names import Cluster
from lab.base.process import Completed
from lab.base.step import StepResult
from lab.lab import Lab
from lab.measure.capture import Capture


class NodeStatus(Enum):
    """The state of a cluster's node, from outside of the cluster."""

    ABSENT = "absent"
    FOREIGN = "not the lab's"
    UNFINISHED = "unfinished"
    """A run was killed while it created the node."""
    STOPPED = "stopped"
    PAUSED = "paused"
    OFF_NETWORK = "off the lab's network"
    """It runs, but other nodes cannot reach it."""
    RUNNING = "running"


STANDS_STILL = frozenset({NodeStatus.STOPPED, NodeStatus.PAUSED})
"""States from which `Power.start` brings a node back."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A cluster's node; `address` is its address for other clusters, None if it is unknown."""

    name: str
    status: NodeStatus
    address: str | None = None
    image: str | None = None


@dataclass(frozen=True, kw_only=True)
class OwnedResource:
    """A resource on this machine that the lab owns, such as the container `dev-east-control-plane`."""

    kind: str
    name: str


class Power(Protocol):
    """Stops and starts nodes, and decides which have the processors first."""

    def stop(self, cluster: Cluster) -> None:
        """Stop a cluster's node as a shutdown does."""

    def kill(self, cluster: Cluster) -> str:
        """Kill a cluster's node as a power cut does, and return a shell command with the same effect."""

    def pause(self, cluster: Cluster) -> None:
        """Suspend a cluster's node, as a laptop's sleep does."""

    def start(self, cluster: Cluster, *, timeout_s: float = 180) -> bool:
        """Start or resume a cluster's node and wait until the cluster is ready; True if the node was not running.

        After a start the API server reports old state for a while; this waits until the node and its pods have
        reported since the start.

        Raises:
            ClusterError: the node does not exist.
            WaitTimeout: the cluster is not ready in time.
        """

    def prefer(self, clusters: Sequence[Cluster]) -> AbstractContextManager[None]:
        """Let these clusters have the processors before all others while the block runs.

        After `kill -9` they keep the preference until the next such block ends.
        """


class Means(Enum):
    """What delays the packets from a node to another one."""

    NETEM = "netem"
    """The kernel, with tc-netem(8)."""
    LINE = "delay line"
    """A small program of the lab, where the engine's kernel does not have netem."""


@dataclass(frozen=True, kw_only=True)
class OneWay:
    """One direction of a distance: what the source's node does to packets to the target.

    `distance` is the whole one, as it was set for both directions. `works` is False if its means has ended, so that
    packets pass as if it were not set.
    """

    source: str
    target: str
    distance: Distance
    means: Means
    works: bool = True


@dataclass(frozen=True, kw_only=True)
class WireState:
    """State of the network between the nodes.

    `missing_routes` lists, for each cluster, missing routes to other clusters' pods and Services. `cuts` are pairs of a
    source cluster and the target cluster that it drops all traffic to, or an address that no running node has.
    `distances` has both directions of each.
    """

    missing_routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cuts: tuple[tuple[str, str], ...] = ()
    distances: tuple[OneWay, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ping:
    """Round trips between two nodes; `how` says what was measured, `median_ms` is None if nothing answered."""

    how: str
    median_ms: float | None


class Wire(Protocol):
    """The network between clusters."""

    def cut(self, source: Cluster, target: Cluster) -> str:
        """Drop all traffic from a cluster to another one's node, and return the shell command that was run."""

    def restore(self, source: Cluster, target: Cluster | str) -> bool:
        """Undo `cut`; True if it was cut. A target that the lab does not have any more is the address of a cut.

        Raises:
            CommandError: a node does not run.
        """

    def cut_command(self, source: Cluster, target: Cluster) -> str:
        """Return the command that `cut` runs, and run nothing."""

    def restore_command(self, source: Cluster, target: Cluster | str) -> str:
        """Return the command that `restore` runs, and run nothing."""

    def reaches(self, source: Cluster, ends: Sequence[tuple[str, int]]) -> frozenset[tuple[str, int]]:
        """Return the addresses and ports that a cluster's node can connect to within a second, with one command."""

    def means(self, source: Cluster) -> Means:
        """Return what delays packets on this engine: netem where its kernel has it.

        Raises:
            CommandError: the node does not answer.
        """

    def distance_commands(
        self, lab: Lab, source: Cluster, target: Cluster, distance: Distance, means: Means
    ) -> list[str]:
        """Return the commands that `set_distance` runs for one direction, and run nothing."""

    def set_distance(self, lab: Lab, source: Cluster, target: Cluster, distance: Distance, means: Means) -> list[str]:
        """Delay, lose and limit packets in one direction by half of a distance, in place of an earlier one.

        Returns the shell commands that were run. Open connections stay open.

        Raises:
            ClusterError: the engine's machine has neither means.
        """

    def clearing_commands(self, lab: Lab, source: Cluster, target: Cluster) -> list[str]:
        """Return the commands that `clear_distance` runs, and run nothing."""

    def clear_distance(self, lab: Lab, source: Cluster, target: Cluster) -> list[str]:
        """Undo `set_distance`, also an incomplete one, and return the commands that were run; idempotent."""

    def ping(self, source: Cluster, target: Cluster) -> Ping:
        """Measure round trips from a cluster's node to another's."""

    def ensure_routes(self, lab: Lab) -> StepResult:
        """Add missing routes between clusters to the nodes."""

    def state(self, lab: Lab, clusters: Sequence[str]) -> WireState:
        """Return the state of the network at several clusters' nodes, without nodes that do not answer."""

    def capture(self, lab: Lab, cluster: Cluster) -> Capture:
        """Return a packet capture at a cluster's node, for a `with` block.

        Raises:
            CaptureUnavailableError: this machine cannot capture packets.
        """


class NodeShell(Protocol):
    """Commands in nodes."""

    def run(self, cluster: Cluster, argv: Sequence[str], *, check: bool = True, timeout_s: float = 60) -> Completed:
        """Run a command in a cluster's node.

        Raises:
            CommandError: it failed, and `check` is set.
            CommandTimeout: it did not end in time.
        """

    def logs(self, cluster: Cluster) -> str:
        """Return the log of a cluster's node."""


class Provider(Protocol):
    """A provider of clusters, and the only way to reach their nodes."""

    @property
    def power(self) -> Power:
        """The nodes' power."""

    @property
    def wire(self) -> Wire:
        """The network between the clusters.

        Raises:
            ClusterError: the provider cannot change the network between its clusters; it gives the reason.
        """

    @property
    def shell(self) -> NodeShell:
        """Commands in nodes."""

    def prepare(self, lab: Lab) -> StepResult:
        """Create what all clusters share, such as their network."""

    def ensure(self, lab: Lab, cluster: Cluster, *, image: str) -> StepResult:
        """Create or start the cluster, wait for its API server, and add it to the lab's kubeconfig.

        Args:
            lab: the lab.
            cluster: one of its clusters.
            image: the artifact for a new node.

        Raises:
            ClusterError: a cluster of that name is not the lab's, or was created with settings that cannot change.
        """

    def look(self, lab: Lab) -> dict[str, Node]:
        """Return the nodes of the lab by cluster name, without a request to their API servers."""

    def ensure_images(self, lab: Lab, cluster: Cluster, images: Sequence[str]) -> StepResult:
        """Load images from the local Docker store into a node that lacks them."""

    def owned(self, lab: Lab) -> list[OwnedResource]:
        """List the resources that the lab owns on this machine."""

    def foreign(self, lab: Lab) -> str:
        """Return a message with the owner if clusters of this lab's name belong to another lab, else nothing."""

    def has_lab(self, name: str) -> bool:
        """Return whether a lab of this name, of any user, has clusters or a network on this machine."""

    def remove_cluster(self, lab: Lab, cluster: Cluster) -> None:
        """Delete a cluster of the lab, and its entries in kubeconfigs; also what a killed run left of it.

        Raises:
            ClusterError: a cluster of that name is not the lab's; it was not touched.
        """

    def remove(self, lab: Lab) -> list[str]:
        """Delete everything that the lab owns, and nothing else.

        Returns:
            A sentence for each object that stays because others use it.

        Raises:
            ClusterError: an existing cluster does not answer, or has objects of others in the lab's namespaces.
            WaitTimeout: something was not gone in time.
        """

    def abandon(self, lab: Lab, cluster: str) -> None:
        """Forget an existing cluster, and leave what the lab has there; nothing if it is not one of the lab's."""
