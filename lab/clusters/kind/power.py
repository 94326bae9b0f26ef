"""Nodes as containers that are stopped, killed, paused and started."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from lab.base import events
from lab.base.errors import ClusterError
from lab.base.names import Cluster
from lab.clusters.kind import wake
from lab.kube import connect
from lab.tools.docker import Docker
from lab.tools.docker_records import Container

_BACK_S = 180.0


@dataclass(frozen=True)
class KindPower:
    """The nodes' power; see `lab.clusters.provider.Power` for what the methods promise."""

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
        """Start or resume the node, and return when the cluster is back."""
        container = self._container(cluster)
        stood_still = not container.running
        since = self.resume(cluster) if stood_still else container.started_at
        wake.wait_until_back(connect(cluster), since=since, restarted=container.status != "paused", timeout_s=timeout_s)
        return stood_still

    def resume(self, cluster: Cluster) -> datetime | None:
        """Start or resume the node's container without a wait, and return since when it runs."""
        container = self._container(cluster)
        if container.running:
            return container.started_at
        events.progress(f"starting {cluster.node}")
        if container.status == "paused":
            self.docker.unpause(cluster.node)
            return datetime.now(UTC)
        self.docker.start(cluster.node)
        return self._container(cluster).started_at

    def _container(self, cluster: Cluster) -> Container:
        container = self.docker.container(cluster.node)
        if container is None:
            raise ClusterError(f"there is no node {cluster.node}", where=cluster.name, next="lab up")
        return container
