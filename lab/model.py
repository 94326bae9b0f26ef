"""The lab's nouns. Nothing here does anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lab.context import Lab

MANAGED_BY = "eastwest-lab"
"""Value of `app.kubernetes.io/managed-by`, the Docker label's value and the server-side apply field manager."""
LABEL_PREFIX = "eastwest.lab"
"""Prefix of the lab's own label and annotation keys."""
LAB_LABEL = f"{LABEL_PREFIX}/lab"
"""On everything that the lab owns, in Docker and in Kubernetes: the name of the lab."""
NAMESPACE = "test"
"""Where the talk's applications live."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster to talk to, always named explicitly: there is no current context."""

    name: str
    context: str
    kubeconfig: Path
    node: str
    """Name of the node container, which is also its DNS name on the lab's network."""


class State(Enum):
    """What `observe` found of a component."""

    ABSENT = "absent"
    STALE = "stale"
    """There, but not as wanted: an older version, half applied, or not ready."""
    CURRENT = "current"


class StepStatus(Enum):
    """How a step ended."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    ERRORED = "errored"
    NOT_RUN = "not run"
    """Something that it needs failed, or the run was interrupted before it ended."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """How a step ended, in which time, and what there is to say about it."""

    status: StepStatus
    detail: str = ""
    duration_s: float = 0.0
    error: BaseException | None = None


CHANGED = StepResult(status=StepStatus.CHANGED)
UNCHANGED = StepResult(status=StepStatus.UNCHANGED)


class Pool(Enum):
    """What a step mostly uses; the runner bounds how many of a kind run at once."""

    WAIT = "wait"
    """Talks to servers and waits: many at once."""
    BUILD = "build"
    """Compiles: as many as the cores bear."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One node of a plan's graph."""

    name: str
    """Unique in its plan, `cluster/thing` or `thing`."""
    title: str
    """What it does, for people, in the imperative: "install Istio"."""
    run: Callable[[Lab], StepResult] = field(compare=False, repr=False)
    after: tuple[str, ...] = ()
    """Names of the steps that must have ended well before."""
    cluster: str | None = None
    pool: Pool = Pool.WAIT
    estimate_s: float | None = None
    """How long it takes, from a real run on two cores; None where nobody waits for it."""


class Component(Protocol):
    """Something that is installed into a cluster; one file each in `lab/components`."""

    @property
    def name(self) -> str:
        """Name of the component, unique in its cluster."""

    def observe(self, lab: Lab, cluster: Cluster) -> State:
        """Say what is there now, without changing it."""

    def apply(self, lab: Lab, cluster: Cluster) -> StepResult:
        """Make it be there as wanted, and return when it is ready. Doing it twice changes nothing."""

    def remove(self, lab: Lab, cluster: Cluster) -> None:
        """Take it away; it is no error when it is not there."""
