"""The network between two clusters, cut and mended: a route on one node that drops what goes to the other.

A dropped packet is what a cut cable does: nothing is refused, connections that stand stay silent. The route is in the
node's container only, and gone when that is started again.
"""

from __future__ import annotations

from collections.abc import Callable

from lab.components.load_balancer import node_address
from lab.kube import connect
from lab.model import Cluster
from lab.tools.docker import Docker


def cut(source: Cluster, target: Cluster, *, say: Callable[[str], None]) -> None:
    """Drop all that a cluster's pods send to the other's node; done twice, it stays cut."""
    argv = _route("replace", target)
    say(f"$ docker exec {source.node} {' '.join(argv)}")
    Docker().execute(source.node, argv)


def mend(source: Cluster, target: Cluster) -> None:
    """Let it through again; nothing happens where it was not cut."""
    Docker().execute(source.node, _route("del", target), check=False)


def _route(verb: str, target: Cluster) -> list[str]:
    return ["ip", "route", verb, "blackhole", f"{node_address(connect(target))}/32"]
