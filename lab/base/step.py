"""A step of a plan and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from lab.base.pulled import Pulled


class StepStatus(Enum):
    """How a step ended."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    ERRORED = "errored"
    NOT_RUN = "not run"
    """A step before it failed, or the run was interrupted before it ended."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """How a step ended, its duration and a detail to show; `began_s` counts from the beginning of the plan's run.

    `pulled`: what the step pulled from registries and release servers, if it did.
    """

    status: StepStatus
    detail: str = ""
    began_s: float = 0.0
    duration_s: float = 0.0
    error: BaseException | None = None
    pulled: Pulled | None = None


CHANGED = StepResult(status=StepStatus.CHANGED)


UNCHANGED = StepResult(status=StepStatus.UNCHANGED)


class Pool(Enum):
    """The resource that a step mostly uses; the runner limits how many steps of a pool run at once."""

    WAIT = "wait"
    """Talks to servers and waits: many at once."""
    BUILD = "build"
    """Compiles: few at once, by the number of cores."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One node of a plan's graph."""

    name: str
    """Unique in its plan, `cluster/thing` or `thing`."""
    title: str
    """Its action as the console shows it, in the imperative: "install Istio"."""
    run: Callable[[], StepResult] = field(compare=False, repr=False)
    after: tuple[str, ...] = ()
    """Names of the steps that must succeed first."""
    cluster: str | None = None
    pool: Pool = Pool.WAIT
    estimate_s: float | None = None
    """Its duration in a real run on two cores; None where nobody waits for it."""
