"""The network between nodes: cuts, distances, routes and packet captures.

A container that joins the node's network namespace captures packets. The lab's images and kindest/node do not contain
tcpdump; Python reads the same packet socket (`python_image.py`). This also works with an engine in a virtual machine,
and without root on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.base.distance import Distance
from lab.base.errors import ClusterError
from lab.base.names import Cluster
from lab.base.step import StepResult
from lab.clusters.kind import innode, link, ping, python_image, routes
from lab.clusters.kind.distance import delay_line, netem, record
from lab.clusters.kind.distance.change import DistanceChange
from lab.clusters.provider import Means, OneWay, Ping, WireState
from lab.host.ownership import LabIdentity
from lab.lab import Lab
from lab.measure.capture import Capture, CaptureUnavailableError
from lab.tools.docker import Docker

_READER = Path(innode.__file__).with_name("frames.py")


@dataclass(frozen=True)
class KindWire:
    """The network between kind's nodes; implements `lab.clusters.provider.Wire`."""

    docker: Docker

    def cut(self, source: Cluster, target: Cluster) -> str:
        """Drop all traffic from a cluster's node and pods to the other's node."""
        return link.cut(self.docker, source, target)

    def restore(self, source: Cluster, target: Cluster | str) -> bool:
        """Remove a cut."""
        return link.restore(self.docker, source, _end(target))

    def cut_command(self, source: Cluster, target: Cluster) -> str:
        """Return the command of `cut`."""
        return link.cut_command(self.docker, source, target)

    def restore_command(self, source: Cluster, target: Cluster | str) -> str:
        """Return the command of `restore`."""
        return link.restore_command(self.docker, source, _end(target))

    def reaches(self, source: Cluster, ends: Sequence[tuple[str, int]]) -> frozenset[tuple[str, int]]:
        """Try connections from a cluster's node."""
        return link.reaches(self.docker, source, ends)

    def means(self, source: Cluster) -> Means:
        """Try whether the engine's kernel has netem."""
        return Means.NETEM if netem.is_there(self.docker, source) else Means.LINE

    def distance_commands(
        self, lab: Lab, source: Cluster, target: Cluster, distance: Distance, means: Means
    ) -> list[str]:
        """Return the commands of `set_distance`."""
        return self._change(lab, source, target).setting(distance, means)

    def set_distance(self, lab: Lab, source: Cluster, target: Cluster, distance: Distance, means: Means) -> list[str]:
        """Delay, lose and limit packets in one direction."""
        return self._change(lab, source, target).set(distance, means)

    def clearing_commands(self, lab: Lab, source: Cluster, target: Cluster) -> list[str]:
        """Return the commands of `clear_distance`."""
        return self._change(lab, source, target).clearing()

    def clear_distance(self, lab: Lab, source: Cluster, target: Cluster) -> list[str]:
        """Undo `set_distance`."""
        return self._change(lab, source, target).clear()

    def ping(self, source: Cluster, target: Cluster) -> Ping:
        """Measure round trips between the nodes."""
        return ping.measure(self.docker, source, target)

    def ensure_routes(self, lab: Lab) -> StepResult:
        """Add missing routes between clusters."""
        return routes.ensure(self.docker, lab)

    def state(self, lab: Lab, clusters: Sequence[str]) -> WireState:
        """Read the nodes' routing tables and distances in parallel."""
        tables = routes.tables(self.docker, lab, clusters)
        wanted = routes.wanted_everywhere(lab) if tables else {}
        missing = {name: routes.missing(wanted[name], table) for name, table in tables.items()}
        cuts = {name: link.cut_addresses(table) for name, table in tables.items()}
        addresses = self._addresses(lab) if any(cuts.values()) else {}
        return WireState(
            missing_routes={name: tuple(found) for name, found in missing.items() if found},
            cuts=tuple((name, addresses.get(to, to)) for name, found in cuts.items() for to in found),
            distances=self._distances(lab, tables),
        )

    def _addresses(self, lab: Lab) -> Mapping[str, str]:
        """Return the cluster of each address, of nodes that run."""
        names = {cluster.node: name for name, cluster in lab.clusters.items()}
        return {
            str(address): names[container.name]
            for container in self.docker.containers(names=list(names))
            if (address := container.networks.get(lab.spec.name)) is not None
        }

    def _distances(self, lab: Lab, tables: Mapping[str, Sequence[str]]) -> tuple[OneWay, ...]:
        """Return what the nodes have set, and lines of no distance, such as one whose start was interrupted."""
        identity = LabIdentity.of(lab.spec.name, lab.paths)
        lines = {delay_line.ends_of(line): line.running for line in delay_line.of_lab(self.docker, identity)}
        found = [one for name, table in tables.items() for one in record.read(name, table)]
        left = lines.keys() - {(one.source, one.target) for one in found}
        return (
            *(replace(one, works=one.works and _runs(one, lines)) for one in found),
            *(
                OneWay(source=source, target=target, distance=Distance(), means=Means.LINE, works=False)
                for source, target in sorted(left)
                if source in tables
            ),
        )

    def capture(self, lab: Lab, cluster: Cluster) -> Capture:
        """Return a packet capture at a cluster's node."""
        try:
            image = python_image.find(self.docker, lab)
        except ClusterError as error:
            raise CaptureUnavailableError(f"cannot capture packets: {error.what}", next=error.next) from error
        argv = self.docker.argv(
            *("container", "run", "--rm", "--interactive", "--pull=never", f"--network=container:{cluster.node}"),
            *("--user=0", "--cap-drop=ALL", "--cap-add=NET_RAW", "--read-only", f"--entrypoint={image.python}"),
            *(image.id, "-I", "-c", _READER.read_text(encoding="utf-8")),
        )
        return Capture(argv=argv, where=cluster.node)

    def _change(self, lab: Lab, source: Cluster, target: Cluster) -> DistanceChange:
        return DistanceChange(docker=self.docker, lab=lab, source=source, target=target)


def _runs(one: OneWay, lines: Mapping[tuple[str, str], bool]) -> bool:
    return one.means is not Means.LINE or lines.get((one.source, one.target), False)


def _end(target: Cluster | str) -> str:
    """Return the node of a cut's target, or its address."""
    return target if isinstance(target, str) else target.node
