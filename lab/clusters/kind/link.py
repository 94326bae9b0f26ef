"""Cut and restore the network between two clusters, with a route on one node that drops traffic to the other.

Dropped packets behave like a cut cable: nothing is refused, and open connections become silent. The route exists only
in the node's container, and a restart of the container removes it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from lab.base.names import Cluster
from lab.clusters.kind.network import node_address
from lab.kube import KubeError, connect
from lab.tools.docker import Docker

_ASK_S = 1.5
_TRY = """for end in "$@"; do
  { timeout 1 bash -c 'exec 3<>"/dev/tcp/$0"' "$end" 2>/dev/null && echo "$end"; } &
done
wait
"""


def cut(docker: Docker, source: Cluster, target: Cluster) -> str:
    """Drop all traffic from a cluster's node and pods to the other's node, and return the command; idempotent."""
    argv = _route("replace", target)
    docker.execute(source.node, argv)
    return _typed(docker, source, argv)


def restore(docker: Docker, source: Cluster, target: Cluster) -> bool:
    """Remove the cut; True if there was one."""
    return docker.execute(source.node, _route("del", target), check=False).returncode == 0


def cut_command(docker: Docker, source: Cluster, target: Cluster) -> str:
    """Return the command that `cut` runs."""
    return _typed(docker, source, _route("replace", target))


def restore_command(docker: Docker, source: Cluster, target: Cluster) -> str:
    """Return the command that `restore` runs."""
    return _typed(docker, source, _route("del", target))


def cut_addresses(table: Sequence[str]) -> list[str]:
    """Return the addresses that a node drops all traffic to, from the lines of its routing table."""
    words = [line.split() for line in table]
    return [line[1].removesuffix("/32") for line in words if line[:1] == ["blackhole"]]


def address_of(cluster: Cluster) -> str:
    """Return the address in a cut to this cluster; empty if the API server does not answer."""
    try:
        return node_address(connect(cluster, timeout_s=_ASK_S))
    except KubeError:
        return ""


def reaches(docker: Docker, source: Cluster, ends: Sequence[tuple[str, int]]) -> frozenset[tuple[str, int]]:
    """Return the addresses and ports that a cluster's node can connect to within a second; all are tried at once."""
    words = [f"{address}/{port}" for address, port in ends]
    answer = docker.execute(source.node, ["bash", "-c", _TRY, "bash", *words], check=False).stdout.split()
    return frozenset(end for end, word in zip(ends, words, strict=True) if word in answer)


def _typed(docker: Docker, source: Cluster, argv: Sequence[str]) -> str:
    return shlex.join(docker.argv("container", "exec", source.node, *argv))


def _route(verb: str, target: Cluster) -> list[str]:
    return ["ip", "route", verb, "blackhole", f"{node_address(connect(target))}/32"]
