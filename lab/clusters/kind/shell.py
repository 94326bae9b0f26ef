"""Commands in a node, and what the node printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.base.names import Cluster
from lab.base.process import Completed
from lab.tools.docker import Docker


@dataclass(frozen=True)
class KindShell:
    """A shell in the nodes; see `lab.clusters.provider.NodeShell` for what the methods promise."""

    docker: Docker

    def run(self, cluster: Cluster, argv: Sequence[str], *, check: bool = True, timeout_s: float = 60) -> Completed:
        """Run a command in a cluster's node."""
        return self.docker.execute(cluster.node, argv, check=check, timeout_s=timeout_s)

    def logs(self, cluster: Cluster) -> str:
        """Return what the node's main process printed."""
        return self.docker.logs(cluster.node)
