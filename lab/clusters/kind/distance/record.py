"""What a node knows of its distances: a record for each target, and whether the means that it names is in place.

The records are in a folder that a restart of the node's container empties, as it removes the means.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.base.distance import Distance
from lab.clusters.provider import Means, OneWay

FOLDER = "/run/eastwest-lab-distances"
READ_UPLINK = "ip -4 route show default | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p' | head -n 1"
"""A shell command that prints the interface of the node's default route."""
_RECORD, _LINK, _FILTER, _QDISC = "distance-record ", "distance-device ", "distance-filter ", "distance-qdisc "
READ = f"""
test ! -d {FOLDER} || {{
  for file in {FOLDER}/*.json; do test ! -e "$file" || echo "{_RECORD}$(cat "$file")"; done
  uplink=$({READ_UPLINK})
  ip -o link show | sed 's/^/{_LINK}/'
  tc filter show dev "$uplink" egress | sed 's/^/{_FILTER}/'
  tc qdisc show dev "$uplink" | sed 's/^/{_QDISC}/'
}}
"""
"""A shell script that prints the records, and where the node has their means."""


@dataclass(frozen=True, kw_only=True)
class Direction:
    """One direction between two nodes. `uplink` is the interface where the source's packets leave its node.

    `number` is the target's, unique in the lab's network: it names the device, the class and the filter. `addresses`
    are those of the target's node, and of its pods if pods reach them.
    """

    source: str
    target: str
    node: str
    uplink: str
    number: int
    addresses: tuple[str, ...]

    @property
    def file(self) -> str:
        """The record in the source's node."""
        return f"{FOLDER}/{self.number}.json"

    @property
    def device(self) -> str:
        """The delay line's device in the source's node."""
        return f"line{self.number}"

    @property
    def matches(self) -> list[str]:
        """The words of tc-u32(8) for the target's addresses."""
        return [f"u32 match ip dst {address}" for address in self.addresses]


def note(direction: Direction, distance: Distance, means: Means) -> str:
    """Return the line of a shell script that writes the record."""
    record = {"target": direction.target, "number": direction.number, "means": means.value, **asdict(distance)}
    return f"mkdir -p {FOLDER}; echo {shlex.quote(json.dumps(record))} >{direction.file}"


def read(source: str, lines: Sequence[str]) -> list[OneWay]:
    """Return the distances of a node from the lines that `READ` prints."""

    def after(prefix: str) -> list[str]:
        return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]

    links, filters, qdiscs = after(_LINK), after(_FILTER), after(_QDISC)
    found = []
    for text in after(_RECORD):
        record: dict[str, Any] = json.loads(text)
        target, number, means = record.pop("target"), record.pop("number"), Means(record.pop("means"))
        if means is Means.NETEM:
            works = any(line.startswith("qdisc netem ") and f" parent 45:{number:x} " in line for line in qdiscs)
        else:
            device = f"line{number}"
            works = any(f": {device}: " in line for line in links) and any(f"device {device})" in f for f in filters)
        found.append(OneWay(source=source, target=target, distance=Distance(**record), means=means, works=works))
    return found
