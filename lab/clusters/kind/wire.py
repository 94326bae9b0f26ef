"""The network between nodes: cuts, routes and packet captures.

A container that joins the node's network namespace captures packets. The lab's images and kindest/node do not contain
tcpdump, and the lab pulls no image for it; the frontend's image has Python, which reads the same packet socket. This
also works with an engine in a virtual machine, and without root on this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.base.names import Cluster
from lab.base.step import StepResult
from lab.clusters.kind import innode, link, routes
from lab.clusters.provider import WireState
from lab.lab import Lab
from lab.measure.capture import Capture, CaptureUnavailableError
from lab.tools.docker import Docker

_READER = Path(innode.__file__).with_name("frames.py")
_IMAGE = "frontend"


@dataclass(frozen=True)
class KindWire:
    """The network between kind's nodes; implements `lab.clusters.provider.Wire`."""

    docker: Docker

    def cut(self, source: Cluster, target: Cluster) -> str:
        """Drop all traffic from a cluster's node and pods to the other's node."""
        return link.cut(self.docker, source, target)

    def restore(self, source: Cluster, target: Cluster) -> bool:
        """Remove a cut."""
        return link.restore(self.docker, source, target)

    def cut_command(self, source: Cluster, target: Cluster) -> str:
        """Return the command of `cut`."""
        return link.cut_command(self.docker, source, target)

    def restore_command(self, source: Cluster, target: Cluster) -> str:
        """Return the command of `restore`."""
        return link.restore_command(self.docker, source, target)

    def reaches(self, source: Cluster, address: str, port: int) -> bool:
        """Try a connection from a cluster's node."""
        return link.reaches(self.docker, source, address, port)

    def ensure_routes(self, lab: Lab) -> StepResult:
        """Add missing routes between clusters."""
        return routes.ensure(self.docker, lab)

    def state(self, lab: Lab, clusters: Sequence[str]) -> WireState:
        """Read the nodes' routing tables in parallel."""
        tables = routes.tables(self.docker, lab, clusters)
        wanted = routes.wanted_everywhere(lab) if tables else {}
        missing = {name: routes.missing(wanted[name], table) for name, table in tables.items()}
        cuts = {name: link.cut_addresses(table) for name, table in tables.items()}
        addresses = (
            {link.address_of(cluster): name for name, cluster in lab.clusters.items()} if any(cuts.values()) else {}
        )
        return WireState(
            missing_routes={name: tuple(found) for name, found in missing.items() if found},
            cuts=tuple((name, addresses.get(to, to)) for name, found in cuts.items() for to in found),
        )

    def capture(self, lab: Lab, cluster: Cluster) -> Capture:
        """Return a packet capture at a cluster's node."""
        reference = lab.artifacts.image(_IMAGE)
        image = self.docker.image(reference)
        if image is None:
            raise CaptureUnavailableError(
                f"cannot capture packets: the container engine does not have the image {reference}",
                next=f"lab artifacts build {_IMAGE}",
            )
        argv = self.docker.argv(
            *("container", "run", "--rm", "--interactive", "--pull=never", f"--network=container:{cluster.node}"),
            *("--user=0", "--cap-drop=ALL", "--cap-add=NET_RAW", "--read-only", f"--entrypoint={image.entrypoint[0]}"),
            *(image.id, "-I", "-c", _READER.read_text(encoding="utf-8")),
        )
        return Capture(argv=argv, where=cluster.node)
