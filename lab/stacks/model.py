"""What a stack is: the one place that the plan, the verbs and the tests ask about it. Nothing here does anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from lab.base.names import Cluster
from lab.components.base import Component
from lab.lab import Lab
from lab.mesh import Mesh


@dataclass(frozen=True, kw_only=True)
class ClusterComponent:
    """A component of every cluster, its step's title, and the components that must be installed before.

    `prepared`: whether it uses what `Stack.prepare` makes, and the images.
    """

    component: Component
    title: str
    after: tuple[str, ...] = ()
    estimate_s: float = 2
    prepared: bool = False


@dataclass(frozen=True, kw_only=True)
class LinkComponent:
    """A component of a link: it goes into one of the link's two clusters, after some of the plan's steps."""

    cluster: str
    component: Component
    title: str
    after: tuple[str, ...]
    estimate_s: float = 2

    @property
    def step(self) -> str:
        """Name of its step."""
        return f"{self.cluster}/{self.component.name}"


class CheckVerdict(Enum):
    """What upstream's own check came to."""

    OK = "ok"
    OFFLINE = "not looked"
    """It only says that the Internet was not reached."""
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class UpstreamCheck:
    """One line of upstream's own checks: the command, what it checked, and its message if it has one."""

    cluster: str
    command: str
    what: str
    verdict: CheckVerdict
    words: str = ""


class Stack(Protocol):
    """One way to build the lab."""

    @property
    def name(self) -> str:
        """Name, as in lab.toml."""

    @property
    def title(self) -> str:
        """What it is, in a few words."""

    def artifacts(self, lab: Lab) -> tuple[str, ...]:
        """Return what `lab up` asks the store for; everything else is inside these, or only needed to make them."""

    @property
    def node_image(self) -> str:
        """The artifact that its nodes are made from."""

    def images(self, lab: Lab) -> tuple[str, ...]:
        """Return the artifacts that pods are made from."""

    @property
    def from_packages(self) -> bool:
        """Whether all of it can be built from package registries, so that it is available everywhere."""

    @property
    def kinds(self) -> Sequence[tuple[str, str]]:
        """API version and kind of the objects that tell what its mesh does; reports keep them."""

    @property
    def viz(self) -> bool:
        """Whether it has a dashboard to install on request."""

    @property
    def control_plane(self) -> str:
        """The component that must stand before anything can be exported."""

    @property
    def prepares(self) -> str:
        """What `prepare` does, as a step's title."""

    def prepare(self, lab: Lab, cluster: Cluster) -> None:
        """Make what needs no cluster, while kind makes one."""

    def components(self, lab: Lab) -> Mapping[str, ClusterComponent]:
        """Return what goes into each cluster, by the component's name, in an order in which it can be installed."""

    def link_components(self, lab: Lab, source: str, target: str) -> Sequence[LinkComponent]:
        """Return what lets a cluster see another one; nothing where the lab has no such link."""

    def export(self, lab: Lab, service: str, source: str) -> bool:
        """Export a service, and return when it is known; False when nothing had to be changed."""

    def answers(self, lab: Lab, cluster: str) -> Mapping[str, frozenset[str]]:
        """Return whom a cluster's frontend calls, and which clusters have to answer it when the lab is up."""

    def checks(self, lab: Lab, cluster: Cluster) -> list[UpstreamCheck]:
        """Run upstream's own checks of a cluster, and return what they say.

        Raises:
            LabError: they could not be run.
        """

    def dashboard(self, lab: Lab, cluster: Cluster, *, port: int, on_url: Callable[[str], None]) -> None:
        """Serve a cluster's dashboard on 127.0.0.1 until it is stopped.

        Raises:
            UsageError: there is none, or none is installed.
            CommandError: it can't be served, such as because the port is taken.
        """

    def mesh(self, lab: Lab) -> Mesh:
        """Return who speaks for its mesh."""
