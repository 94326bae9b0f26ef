"""The interface of a stack, for plans, commands and tests. Types only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from lab.base.names import Cluster
from lab.clusters.existing.checks import Footprint
from lab.components.base import Component
from lab.kube.objects import Obj, Ref
from lab.lab import Lab
from lab.mesh import Mesh
from lab.stacks.panel import PanelKinds


@dataclass(frozen=True, kw_only=True)
class ClusterComponent:
    """A component of every cluster, the title of its step, and the components that must be installed before it.

    `prepared`: whether its step also waits for `Stack.prepare` and for the images in the nodes.
    """

    component: Component
    title: str
    after: tuple[str, ...] = ()
    estimate_s: float = 2
    prepared: bool = False


@dataclass(frozen=True, kw_only=True)
class LinkComponent:
    """A component of a link, the cluster that it is installed into, and the steps that must be done before."""

    cluster: str
    component: Component
    title: str
    after: tuple[str, ...]
    estimate_s: float = 2

    @property
    def step(self) -> str:
        """Name of the component's step."""
        return f"{self.cluster}/{self.component.name}"


class CheckVerdict(Enum):
    """Result of a line of upstream's own checks."""

    OK = "ok"
    OFFLINE = "not looked"
    """The check needs the Internet, which was unreachable."""
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class UpstreamCheck:
    """One line of upstream's own checks: the command, the subject, the verdict, and a message if there is one."""

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
        """The stack's products, in a few words."""

    def artifacts(self, lab: Lab) -> tuple[str, ...]:
        """Return the artifacts that `lab up` needs; all others are inside these, or only needed to build them."""

    @property
    def node_image(self) -> str:
        """The artifact that is the nodes' image."""

    def images(self, lab: Lab) -> tuple[str, ...]:
        """Return the artifacts that are the pods' images."""

    @property
    def programs(self) -> Sequence[str]:
        """Upstream's programs that a person needs, beside kubectl, to install the stack by hand."""

    @property
    def kinds(self) -> Sequence[tuple[str, str]]:
        """API version and kind of the mesh's configuration objects; reports and `lab logs --export` collect them."""

    @property
    def viz(self) -> bool:
        """Whether `--viz` can install a dashboard."""

    @property
    def control_plane(self) -> str:
        """Name of the component that must be installed before a service can be exported."""

    @property
    def prepares(self) -> str:
        """Title of the step that calls `prepare`."""

    def prepare(self, lab: Lab, cluster: Cluster) -> None:
        """Render manifests, which needs no cluster, while kind creates one."""

    def components(self, lab: Lab) -> Mapping[str, ClusterComponent]:
        """Return the components of each cluster by name, in an order in which they can be installed."""

    def link_components(self, lab: Lab, source: str, target: str) -> Sequence[LinkComponent]:
        """Return the components of a link; empty if the lab has no such link."""

    def export(self, lab: Lab, service: str, source: str) -> bool:
        """Export a service, and return when the other clusters know it; return False if nothing was changed."""

    def exported(self, lab: Lab, service: Obj, source: str, cluster: str) -> Sequence[Obj]:
        """Return the objects that the export of a Service creates or changes in a cluster; asks no cluster."""

    def answers(self, lab: Lab, cluster: str) -> Mapping[str, frozenset[str]]:
        """Return the services that a cluster's frontend calls, each with the clusters that must answer."""

    def scaled(self, lab: Lab) -> frozenset[Ref]:
        """Return the workloads whose number of pods the cluster itself decides, down to none."""

    @property
    def footprint(self) -> Footprint:
        """What it installs into an existing cluster under fixed names."""

    def checks(self, lab: Lab, cluster: Cluster) -> list[UpstreamCheck]:
        """Run upstream's own checks of a cluster, and return their lines.

        Raises:
            LabError: the checks could not be run.
        """

    def dashboard(self, lab: Lab, cluster: Cluster, *, port: int, on_url: Callable[[str], None]) -> None:
        """Serve a cluster's dashboard on 127.0.0.1 until it is stopped.

        Raises:
            UsageError: the stack has no dashboard, or the dashboard is not installed.
            CommandError: the dashboard cannot be served, for example because the port is in use.
        """

    @property
    def panel(self) -> PanelKinds:
        """The objects that the stage's live panels show."""

    def mesh(self, lab: Lab) -> Mesh:
        """Return the mesh of a lab with this stack."""
