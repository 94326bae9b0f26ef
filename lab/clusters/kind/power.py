"""Stop, kill, pause and start nodes, which are containers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from lab.base import cancel, events
from lab.base.concurrency import at_once
from lab.base.errors import ClusterError
from lab.base.names import Cluster
from lab.clusters.kind import wake
from lab.kube import connect
from lab.tools.docker import Docker
from lab.tools.docker_records import Container

_BACK_S = 180.0
_USUAL, _FIRST = 1024, 32 * 1024
"""Shares of the processors: the engine's default, and that of a node which serves while another one is created."""
_UNDO_S = 10.0


@dataclass(frozen=True)
class KindPower:
    """Power of kind's nodes; implements `lab.clusters.provider.Power`."""

    docker: Docker

    def stop(self, cluster: Cluster) -> None:
        """Stop the node as a shutdown does."""
        self.docker.stop(cluster.node)

    def kill(self, cluster: Cluster) -> str:
        """Kill the node's processes at once."""
        self.docker.stop(cluster.node, grace_s=0)
        return f"docker kill {cluster.node}"

    def pause(self, cluster: Cluster) -> None:
        """Suspend the node's processes."""
        self.docker.pause(cluster.node)

    def start(self, cluster: Cluster, *, timeout_s: float = _BACK_S) -> bool:
        """Start or resume the node, and wait until the cluster is ready."""
        container = self._container(cluster)
        was_stopped = not container.running
        since = self.resume(cluster) if was_stopped else container.started_at
        wake.wait_until_back(connect(cluster), since=since, restarted=container.status != "paused", timeout_s=timeout_s)
        return was_stopped

    def resume(self, cluster: Cluster) -> datetime | None:
        """Start or resume the node's container without a wait, and return its start time."""
        container = self._container(cluster)
        if container.running:
            return container.started_at
        events.progress(f"starting {cluster.node}")
        if container.status == "paused":
            self.docker.unpause(cluster.node)
            return datetime.now(UTC)
        self.docker.start(cluster.node)
        return self._container(cluster).started_at

    @contextmanager
    def prefer(self, clusters: Sequence[Cluster]) -> Iterator[None]:
        """Give the clusters' nodes a larger share of the processors."""
        nodes = [cluster.node for cluster in clusters]
        try:
            at_once(lambda node: self.docker.weigh(node, _FIRST), nodes)
            yield
        finally:
            with cancel.undoing(_UNDO_S):
                at_once(lambda node: self.docker.weigh(node, _USUAL), nodes)

    def _container(self, cluster: Cluster) -> Container:
        container = self.docker.container(cluster.node)
        if container is None:
            raise ClusterError(f"the node {cluster.node} does not exist", where=cluster.name, next="lab up")
        return container
