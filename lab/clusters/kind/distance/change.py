"""Set and clear one direction of a distance, with the means that the engine's kernel has."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from ipaddress import IPv4Address

from lab.base.distance import Distance
from lab.base.errors import ClusterError
from lab.base.names import Cluster
from lab.clusters.kind import python_image
from lab.clusters.kind.distance import delay_line, netem
from lab.clusters.kind.distance.record import READ_UPLINK, Direction
from lab.clusters.kind.network import node_address
from lab.clusters.provider import Means
from lab.host.ownership import LabIdentity
from lab.kube import connect
from lab.lab import Lab
from lab.tools.docker import Docker

_NUMBERS = 0x3FFF
"""A target's number is the end of its address: unique in a subnet of 16,384 addresses, and a valid number for tc."""


@dataclass(frozen=True, kw_only=True)
class DistanceChange:
    """One direction between two clusters of a lab, to change or to show."""

    docker: Docker
    lab: Lab
    source: Cluster
    target: Cluster

    def setting(self, distance: Distance, means: Means) -> list[str]:
        """Return the shell commands that set a distance, and run nothing."""
        direction = self._direction()
        before = self._removing_line(direction)
        if means is Means.NETEM:
            return self._typed([*before, self._in_node(netem.set_script(direction, distance))])
        starting = delay_line.starting(self._container(direction), direction, distance)
        return self._typed([*before, *starting, *delay_line.redirecting(direction, distance)])

    def set(self, distance: Distance, means: Means) -> list[str]:
        """Set a distance in place of an earlier one, and return the shell commands that were run.

        Raises:
            ClusterError: the engine's machine has neither means, or does not have the image of the delay line.
        """
        direction = self._direction()
        before = self._removing_line(direction)
        if means is Means.NETEM:
            return self._run([*before, self._in_node(netem.set_script(direction, distance))])
        container = self._container(direction)
        return [*self._run(before), *self._typed(delay_line.start(self.docker, container, direction, distance))]

    def clearing(self) -> list[str]:
        """Return the shell commands that clear a distance, and run nothing."""
        return self._typed(self._clearing(self._direction()))

    def clear(self) -> list[str]:
        """Clear a distance, also an incomplete one, and return the shell commands that were run."""
        return self._run(self._clearing(self._direction()))

    def _clearing(self, direction: Direction) -> list[list[str]]:
        """Return the docker commands that remove either means."""
        removing = self._removing_line(direction)
        first = f"rm -f {direction.file}; {delay_line.no_filter(direction)}; {netem.clear_script(direction)}"
        return [self._in_node(first), *removing[1:]]

    def _removing_line(self, direction: Direction) -> list[list[str]]:
        """Return the docker commands that stop sending frames to a line, and remove it; none without its container."""
        name = delay_line.name_of(self.lab.spec.name, direction)
        if not self._has(name):
            return []
        script = f"rm -f {direction.file}; {delay_line.no_filter(direction)}"
        return [self._in_node(script), *delay_line.removing(name)]

    def _direction(self) -> Direction:
        address = node_address(connect(self.target))
        pods = [str(self.lab.spec.clusters[self.target.name].pod_cidr)] if self.lab.spec.network.flat else []
        return Direction(
            source=self.source.name,
            target=self.target.name,
            node=self.source.node,
            uplink=self.docker.execute(self.source.node, ["sh", "-c", READ_UPLINK]).stdout.strip(),
            number=int(IPv4Address(address)) & _NUMBERS,
            addresses=(f"{address}/32", *pods),
        )

    def _container(self, direction: Direction) -> delay_line.LineContainer:
        try:
            image = python_image.find(self.docker, self.lab)
        except ClusterError as error:
            raise ClusterError(
                f"the engine's kernel does not have netem, and {error.what}, whose Python would delay packets instead",
                next=error.next,
            ) from error
        return delay_line.LineContainer(
            name=delay_line.name_of(self.lab.spec.name, direction),
            image=image.reference,
            python=image.python,
            labels=self._identity.labels,
        )

    def _has(self, name: str) -> bool:
        """Return whether the direction has a container.

        Raises:
            ClusterError: a container of that name is not the lab's.
        """
        found = self.docker.container(name)
        if found is not None and not delay_line.owns(self._identity, found):
            raise ClusterError(
                f"the container {name!r} exists and is not the lab's; it was not touched",
                where=self.source.name,
                next=f"if it is unused, `docker rm --force {name}`",
            )
        return found is not None

    @property
    def _identity(self) -> LabIdentity:
        return LabIdentity.of(self.lab.spec.name, self.lab.paths)

    def _in_node(self, script: str) -> list[str]:
        return ["container", "exec", self.source.node, "sh", "-ec", script]

    def _run(self, commands: list[list[str]]) -> list[str]:
        for command in commands:
            self.docker.typed(*command)
        return self._typed(commands)

    def _typed(self, commands: list[list[str]]) -> list[str]:
        return [shlex.join(self.docker.argv(*command)) for command in commands]
