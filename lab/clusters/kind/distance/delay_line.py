"""A distance by a small program, where the kernel does not have netem: a container in the node's network namespace.

A filter at the node's uplink redirects frames for the target to the program's TAP device; the program
(`lab.clusters.kind.innode.delay_line`) sends them later. The device disappears with the program, and the kernel would
drop frames that are redirected to it. So a shell in the node waits for that, and removes the filter.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.base import wait
from lab.base.distance import Distance
from lab.base.errors import ClusterError, CommandError
from lab.base.names import LAB_ID_LABEL, LAB_LABEL, LABEL_PREFIX
from lab.base.wait import NotYet
from lab.clusters.kind import innode
from lab.clusters.kind.distance import record
from lab.clusters.kind.distance.record import Direction
from lab.clusters.provider import Means
from lab.host.ownership import HOME_LABEL, LabIdentity
from lab.tools.docker import Docker
from lab.tools.docker_records import Container as Record

LABEL = f"{LABEL_PREFIX}/delay-line"
"""Label of the container: the direction, such as "west>east"."""
PROGRAM = Path(innode.__file__).with_name("delay_line.py")
_INSIDE = "/delay_line.py"
_DEVICE = "/dev/net/tun"
_NO_DEVICE = "no such file or directory"
_START_S = 20.0
_LOOKS = 100
_DRAIN_S = 5
"""Longest time for frames on their way to arrive when a line is removed; the longest delay is 1 s in each direction."""


@dataclass(frozen=True, kw_only=True)
class LineContainer:
    """The container of a direction: its image with the path of Python in it, and the lab's labels."""

    name: str
    image: str
    python: str
    labels: Mapping[str, str]


def owns(identity: LabIdentity, container: Record) -> bool:
    """Return whether a container is a delay line of this lab."""
    labels = container.labels
    named = LABEL in labels and labels.get(LAB_LABEL) == identity.name
    return named and identity.has(labels.get(LAB_ID_LABEL, ""), labels.get(HOME_LABEL, ""))


def of_lab(docker: Docker, identity: LabIdentity) -> list[Record]:
    """Return the containers of all delay lines of a lab, running or not."""
    return [found for found in docker.containers({LABEL: None}) if owns(identity, found)]


def ends_of(container: Record) -> tuple[str, str]:
    """Return the source and the target of a delay line."""
    source, _, target = container.labels[LABEL].partition(">")
    return source, target


def name_of(lab_name: str, direction: Direction) -> str:
    """Return the name of a direction's container."""
    return f"{lab_name}-{direction.source}-to-{direction.target}-line"


def starting(container: LineContainer, direction: Direction, distance: Distance) -> list[list[str]]:
    """Return the docker commands that start the program."""
    labels = {**container.labels, LABEL: f"{direction.source}>{direction.target}"}
    create = [
        *("container", "create", f"--name={container.name}", f"--network=container:{direction.node}", "--pull=never"),
        *(f"--label={key}={value}" for key, value in labels.items()),
        *("--user=0", "--cap-drop=ALL", "--cap-add=NET_ADMIN", "--cap-add=NET_RAW", f"--device={_DEVICE}"),
        *(f"--entrypoint={container.python}", container.image, "-I", _INSIDE),
        *(f"--device={direction.device}", f"--uplink={direction.uplink}", *options(direction, distance)),
    ]
    copy = ["container", "cp", str(PROGRAM), f"{container.name}:{_INSIDE}"]
    return [create, copy, ["container", "start", container.name]]


def options(direction: Direction, distance: Distance) -> list[str]:
    """Return the program's options for one direction of a distance."""
    return [
        f"--delay-ms={distance.delay_ms / 2:g}",
        f"--jitter-ms={distance.jitter_ms / 2:g}",
        f"--loss-percent={distance.loss_percent:g}",
        f"--rate-kbit={distance.rate_kbit}",
        f"--seed={zlib.crc32(f'{direction.source}>{direction.target}'.encode())}",
    ]


def redirecting(direction: Direction, distance: Distance) -> list[list[str]]:
    """Return the docker commands that redirect frames to the program, and stop that when its device disappears."""
    node, uplink, device, pref = direction.node, direction.uplink, direction.device, direction.number
    filters = [
        f"tc filter add dev {uplink} egress protocol ip pref {pref} {match} action mirred egress redirect dev {device}"
        for match in direction.matches
    ]
    script = [
        # Also for a person who types the commands: the program opens its device a moment after its start.
        f"for look in $(seq {_LOOKS}); do ! ip link show up dev {device} 2>&1 | grep -q mtu || break; sleep 0.1; done",
        f"tc qdisc show dev {uplink} | grep -q clsact || tc qdisc add dev {uplink} clsact",
        no_filter(direction),
        *filters,
        record.note(direction, distance, Means.LINE),
    ]
    gone = f'grep -m 1 -q "^Deleted .*: {device}: "'
    # Only if no new line has the device's name meanwhile.
    undo = f"ip link show dev {device} >/dev/null 2>&1 || {no_filter(direction)}"
    watch = f"ip -o monitor link | {{ {gone}; {undo}; }}"
    # The watch begins before the filter is there, so that the device cannot disappear in between.
    return [
        ["container", "exec", "--detach", node, "sh", "-c", watch],
        ["container", "exec", node, "sh", "-ec", "; ".join(script)],
    ]


def no_filter(direction: Direction) -> str:
    """Return a shell command for the node that stops the redirection, if there is one."""
    where = f"dev {direction.uplink} egress pref {direction.number}"
    return f"! tc filter show {where} | grep -q . || tc filter del {where}"


def removing(container: str) -> list[list[str]]:
    """Return the docker commands that remove the program; frames on their way arrive before it ends."""
    return [
        ["container", "stop", "--time", str(_DRAIN_S), container],
        ["container", "rm", "--force", "--volumes", container],
    ]


def start(docker: Docker, container: LineContainer, direction: Direction, distance: Distance) -> list[list[str]]:
    """Start a line and redirect frames to it; return the docker commands.

    Raises:
        ClusterError: the engine's machine does not have TUN devices, or the program ended.
    """
    first = starting(container, direction, distance)
    for command in first:
        try:
            docker.typed(*command)
        except CommandError as error:
            if _DEVICE in error.stderr and _NO_DEVICE in error.stderr.lower():
                raise ClusterError(
                    f"the engine's kernel has neither netem nor {_DEVICE}, so nothing can delay packets",
                    where=direction.source,
                    next="load the module sch_netem or tun on the engine's machine",
                ) from error
            raise
    _wait(docker, container.name, direction)
    rest = redirecting(direction, distance)
    for command in rest:
        docker.typed(*command)
    return [*first, *rest]


def _wait(docker: Docker, name: str, direction: Direction) -> None:
    """Wait until the program has its device.

    Raises:
        ClusterError: it ended before; with its last line of output.
    """

    def has_device() -> bool | NotYet:
        found = docker.execute(direction.node, ["ip", "link", "show", "dev", direction.device, "up"], check=False)
        if found.stdout.strip():
            return True
        container = docker.container(name)
        if container is None or not container.running:
            said = docker.logs(name, tail=1).strip() if container else "its container is gone"
            raise ClusterError(f"the delay line ended: {said}", where=direction.source, next="set the distance again")
        return NotYet("its program has not opened its device")

    wait.until(
        f"the delay line from {direction.source} to {direction.target}", has_device, timeout_s=_START_S, interval_s=0.1
    )
