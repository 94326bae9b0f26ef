"""Measure round trips from a node to another one: with ICMP where the node has `ping`, else with TCP connections."""

from __future__ import annotations

from statistics import median

from lab.base.names import Cluster
from lab.clusters.kind.network import API_PORT, node_address
from lab.clusters.provider import Ping
from lab.kube import connect
from lab.tools.docker import Docker

_COUNT = 5
_SCRIPT = f"""
if command -v ping >/dev/null; then
  echo icmp
  ping -n -c {_COUNT} -i 0.2 -W 3 "$0" | sed -n 's/.* time=\\([0-9.]*\\) ms.*/\\1/p'
else
  echo tcp
  for i in $(seq {_COUNT}); do
    timeout 4 bash -c 'began=$EPOCHREALTIME; exec 3<>"/dev/tcp/$0/$1" && now=$EPOCHREALTIME &&
      us=$((${{now/./}} - ${{began/./}})) && printf "%d.%03d\\n" $((us / 1000)) $((us % 1000))' "$0" "$1" 2>/dev/null
  done
fi
true
"""
"""A shell script that prints the kind of its measurement, and milliseconds: a line for each answer."""
_HOW = {
    "icmp": f"{_COUNT} ICMP echoes from {{source}}'s node to {{target}}'s",
    "tcp": f"{_COUNT} TCP connections from {{source}}'s node to {{target}}'s, port {API_PORT}",
}


def measure(docker: Docker, source: Cluster, target: Cluster) -> Ping:
    """Return the median of five round trips; a TCP connection takes one.

    Raises:
        CommandError: the source's node does not run commands.
    """
    argv = ["bash", "-c", _SCRIPT, node_address(connect(target)), str(API_PORT)]
    kind, *times = docker.execute(source.node, argv).stdout.split()
    how = _HOW[kind].format(source=source.name, target=target.name)
    return Ping(how=how, median_ms=round(median(map(float, times)), 2) if times else None)
