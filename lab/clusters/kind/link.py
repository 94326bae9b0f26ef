"""The network between two clusters: cut and restored by a route on one node that drops traffic to the other.

A dropped packet is what a cut cable does: nothing is refused, connections that stand stay silent. The route is in the
node's container only, and gone when that is started again.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.base.names import Cluster
from lab.clusters.kind.network import node_address
from lab.kube import KubeError, connect
from lab.tools.docker import Docker

_ASK_S = 1.5


def cut(docker: Docker, source: Cluster, target: Cluster) -> str:
    """Drop all that a cluster's node and pods send to the other's node; done twice, it stays cut.

    Returns:
        The command that did it, as it can be typed.
    """
    argv = _route("replace", target)
    docker.execute(source.node, argv)
    return f"docker exec {source.node} {' '.join(argv)}"


def restore(docker: Docker, source: Cluster, target: Cluster) -> bool:
    """Let the traffic through again; True where it was cut."""
    return docker.execute(source.node, _route("del", target), check=False).returncode == 0


def cut_addresses(table: Sequence[str]) -> list[str]:
    """Return the addresses that a node drops all traffic to, of the lines of its routing table."""
    words = [line.split() for line in table]
    return [line[1].removesuffix("/32") for line in words if line[:1] == ["blackhole"]]


def address_of(cluster: Cluster) -> str:
    """Return the address that a cut of the network to a cluster names, empty while the cluster does not say it."""
    try:
        return node_address(connect(cluster, timeout_s=_ASK_S))
    except KubeError:
        return ""


def reaches(docker: Docker, source: Cluster, address: str, port: int) -> bool:
    """Say whether a cluster's node can connect to a port at another one's address, within a second."""
    argv = ["timeout", "1", "bash", "-c", 'exec 3<>"/dev/tcp/$0/$1"', address, str(port)]
    return docker.execute(source.node, argv, check=False).returncode == 0


def _route(verb: str, target: Cluster) -> list[str]:
    return ["ip", "route", verb, "blackhole", f"{node_address(connect(target))}/32"]
