"""Run commands in a node, and read its log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.base.names import Cluster
from lab.base.process import Completed
from lab.tools.docker import Docker


@dataclass(frozen=True)
class KindShell:
    """Commands in kind's nodes; implements `lab.clusters.provider.NodeShell`."""

    docker: Docker

    def run(self, cluster: Cluster, argv: Sequence[str], *, check: bool = True, timeout_s: float = 60) -> Completed:
        """Run a command in a cluster's node."""
        return self.docker.execute(cluster.node, argv, check=check, timeout_s=timeout_s)

    def logs(self, cluster: Cluster) -> str:
        """Return the log of the node's container."""
        return self.docker.logs(cluster.node)
