"""The panels of all clusters of a lab."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from lab.base import cancel
from lab.base.names import Cluster, Json
from lab.clusters import NodeStatus, provider
from lab.kube import Kube, connect
from lab.lab import Lab
from lab.mesh.model import Link
from lab.stacks import Stack
from lab.stage.panel.follower import Follower
from lab.stage.panel.model import ClusterModel

_END_S = 1.0


@dataclass
class LivePanels:
    """Implements `lab.stage.parts.Panels` with watches of each cluster's API server.

    Args:
        lab: the lab.
        stack: its stack.
    """

    lab: Lab
    stack: Stack
    _last: dict[str, Json] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _ending: ExitStack = field(default_factory=ExitStack)
    _token: cancel.Token | None = None

    def start(self, publish: Callable[[Json], None]) -> None:
        """Begin to watch; the watches end with the run, or with `close`."""
        token = self._token = self._ending.enter_context(cancel.token().child())

        def keep(panel: Json) -> None:
            self._last[panel["cluster"]] = panel
            publish(panel)

        for cluster in self.lab.clusters.values():
            self._threads += self._follower(cluster, keep).start(token)

    def latest(self) -> Sequence[Json]:
        """Return the last panel of each cluster that was observed."""
        return [self._last[name] for name in self.lab.clusters if name in self._last]

    def close(self) -> None:
        """End all watches, within a second; a request that waits for its answer ends by itself a little later."""
        if self._token is not None:
            self._token.cancel()
            self._ending.close()
        deadline = time.monotonic() + _END_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _follower(self, cluster: Cluster, publish: Callable[[Json], None]) -> Follower:
        mesh = self.stack.mesh(self.lab)
        model = ClusterModel(cluster.name, self.stack.panel, mesh.gateway_workloads(cluster.name))

        def kube(timeout_s: float) -> Kube:
            return connect(cluster, timeout_s=timeout_s)

        def links() -> Sequence[Link]:
            return mesh.links([cluster.name])

        return Follower(
            model,
            connect=kube,
            node=lambda: _stopped(self.lab, cluster),
            links=None if self.stack.panel.links else links,
            publish=publish,
        )


def _stopped(lab: Lab, cluster: Cluster) -> str:
    status = provider().look(lab)[cluster.name].status
    return "" if status is NodeStatus.RUNNING else f"its node is {status.value}"
