"""A distance by the kernel: a class of HTB for each target at the node's uplink, with netem in it (tc-netem(8)).

HTB passes what no filter sends to a class as it is, so that other traffic is not delayed.
"""

from __future__ import annotations

from math import ceil

from lab.base.distance import Distance
from lab.base.names import Cluster
from lab.clusters.kind.distance import record
from lab.clusters.kind.distance.record import Direction
from lab.clusters.kind.innode.delay_line import LONGEST_WAIT_S
from lab.clusters.provider import Means
from lab.tools.docker import Docker

ROOT = "45:"
_UNLIMITED = "100gbit"
_PACKETS = 100_000
"""Packets that may be on their way: at 1 Gbit/s and 1 s, 83,000 of 1500 bytes."""
_PACKET_BIT = 12_000


def is_there(docker: Docker, cluster: Cluster) -> bool:
    """Try whether the kernel has netem, in a network namespace of its own in the node."""
    argv = ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    return docker.execute(cluster.node, argv, check=False).returncode == 0


def set_script(direction: Direction, distance: Distance) -> str:
    """Return a shell script for the node that sets a distance, also in place of another one."""
    uplink, pref, where = direction.uplink, direction.number, f"{ROOT}{direction.number:x}"
    filters = [
        f"tc filter add dev {uplink} parent {ROOT} protocol ip pref {pref} {match} flowid {where}"
        for match in direction.matches
    ]
    lines = [
        f'tc qdisc show dev {uplink} | grep -q "^qdisc htb {ROOT}" || tc qdisc add dev {uplink} root handle {ROOT} htb',
        _no_filter(direction),
        f"tc class replace dev {uplink} parent {ROOT} classid {where} htb rate {_UNLIMITED} quantum 60000",
        f"tc qdisc replace dev {uplink} parent {where} {words(distance)}",
        *filters,
        record.note(direction, distance, Means.NETEM),
    ]
    return "; ".join(lines)


def clear_script(direction: Direction) -> str:
    """Return a shell script for the node that removes a distance; the queue of all goes with the last one."""
    uplink, where = direction.uplink, f"{ROOT}{direction.number:x}"
    no_queue = f'! tc qdisc show dev {uplink} | grep -q "^qdisc htb {ROOT} root"'
    in_use = f'tc class show dev {uplink} | grep -q "^class htb {ROOT}"'
    lines = [
        _no_filter(direction),
        f'! tc class show dev {uplink} | grep -q "^class htb {where} " || tc class del dev {uplink} classid {where}',
        f"{no_queue} || {in_use} || tc qdisc del dev {uplink} root handle {ROOT}",
    ]
    return "; ".join(lines)


def _no_filter(direction: Direction) -> str:
    where = f"dev {direction.uplink} parent {ROOT} pref {direction.number}"
    return f"! tc filter show {where} | grep -q . || tc filter del {where}"


def words(distance: Distance) -> str:
    """Return netem's words for one direction of a distance."""
    parts = [f"netem limit {_limit(distance)}"]
    if distance.delay_ms:
        parts.append(f"delay {distance.delay_ms / 2:g}ms")
        if distance.jitter_ms:
            parts.append(f"{distance.jitter_ms / 2:g}ms")
    if distance.loss_percent:
        parts.append(f"loss {distance.loss_percent:g}%")
    # With a rate, netem keeps the order of packets. Without one, a change keeps the rate from before
    # (net/sched/sch_netem.c, netem_enqueue and netem_change).
    parts.append(f"rate {distance.rate_kbit}kbit" if distance.rate_kbit else f"rate {_UNLIMITED}")
    return " ".join(parts)


def _limit(distance: Distance) -> int:
    """Return how many packets may be on their way or wait: as many as fit into the delay and the longest wait."""
    if not distance.rate_kbit:
        return _PACKETS
    held_s = (distance.delay_ms + distance.jitter_ms) / 2_000 + LONGEST_WAIT_S
    return 16 + ceil(held_s * distance.rate_kbit * 1_000 / _PACKET_BIT)
