"""Nodes that drop and delay packets, in memory, in place of `lab.clusters.provider.Wire`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.base.distance import Distance
from lab.base.names import Cluster
from lab.clusters.provider import Means, OneWay, Ping, WireState
from lab.lab import Lab

NEAR_MS = 0.2
"""A round trip between nodes without a distance."""
_RULE = "POSTROUTING --destination dev-east-control-plane --jump DROP"
_IPTABLES = "iptables --wait --table mangle"
CUT = (
    f"docker container exec dev-west-control-plane sh -c '{_IPTABLES} --check {_RULE} 2>/dev/null || "
    f"{_IPTABLES} --insert {_RULE}'"
)
MEND = f"docker container exec dev-west-control-plane {_IPTABLES} --delete {_RULE}"
"""West's commands, whatever the other cluster."""


@dataclass
class FakeWire:
    """Cuts and distances between nodes. A round trip takes what is set; `kernel` is what delays packets."""

    cuts: list[tuple[str, str]] = field(default_factory=list)
    there: dict[tuple[str, str], OneWay] = field(default_factory=dict)
    kernel: Means = Means.LINE
    did: list[tuple[str, str]] = field(default_factory=list)
    """The directions whose distance was set or cleared."""

    def cut(self, source: Cluster, target: Cluster) -> str:
        if (source.name, target.name) not in self.cuts:
            self.cuts.append((source.name, target.name))
        return self.cut_command(source, target)

    def restore(self, source: Cluster, target: Cluster | str) -> bool:
        ends = (source.name, target if isinstance(target, str) else target.name)
        there = ends in self.cuts
        self.cuts = [cut for cut in self.cuts if cut != ends]
        return there

    def cut_command(self, source: Cluster, _target: Cluster) -> str:
        return CUT.replace("west", source.name)

    def restore_command(self, source: Cluster, target: Cluster | str) -> str:
        command = MEND.replace("west", source.name)
        return command.replace("dev-east-control-plane", target) if isinstance(target, str) else command

    def means(self, source: Cluster) -> Means:
        assert source
        return self.kernel

    def distance_commands(
        self, _: Lab, source: Cluster, target: Cluster, distance: Distance, means: Means
    ) -> list[str]:
        return [f"docker {source.name} {target.name} {distance.delay_ms:g} {means.value}"]

    def set_distance(self, lab: Lab, source: Cluster, target: Cluster, distance: Distance, means: Means) -> list[str]:
        ends = source.name, target.name
        self.there[ends] = OneWay(source=ends[0], target=ends[1], distance=distance, means=means)
        self.did.append(ends)
        return self.distance_commands(lab, source, target, distance, means)

    def clearing_commands(self, _: Lab, source: Cluster, target: Cluster) -> list[str]:
        return [f"docker rm {source.name} {target.name}"]

    def clear_distance(self, lab: Lab, source: Cluster, target: Cluster) -> list[str]:
        self.there.pop((source.name, target.name), None)
        self.did.append((source.name, target.name))
        return self.clearing_commands(lab, source, target)

    def state(self, _: Any, clusters: Sequence[str]) -> WireState:
        return WireState(
            cuts=tuple(cut for cut in self.cuts if cut[0] in clusters),
            distances=tuple(one for ends, one in self.there.items() if ends[0] in clusters),
        )

    def ping(self, source: Cluster, target: Cluster) -> Ping:
        side = self.there.get((source.name, target.name))
        far_ms = side.distance.delay_ms if side else 0
        return Ping(how=f"5 TCP connections from {source.name} to {target.name}", median_ms=NEAR_MS + far_ms)
