"""A step of a plan and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum


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
    run: Callable[[], StepResult] = field(compare=False, repr=False)
    after: tuple[str, ...] = ()
    """Names of the steps that must have ended well before."""
    cluster: str | None = None
    pool: Pool = Pool.WAIT
    estimate_s: float | None = None
    """How long it takes, from a real run on two cores; None where nobody waits for it."""
