"""Events of a running plan, for a console to show.

Code at any depth reports the current step's activity with `progress`; the runner has set the step. Outside a step
`progress` does nothing, so library code can always call it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from lab.base.step import Step, StepResult


@dataclass(frozen=True, kw_only=True)
class StepStarted:
    """A step begins. `at_s` is seconds since the plan began, as in every event."""

    step: Step
    at_s: float


@dataclass(frozen=True, kw_only=True)
class StepProgress:
    """A running step's current activity. `fraction` is 0..1 where it is known."""

    step: Step
    at_s: float
    text: str
    fraction: float | None = None


@dataclass(frozen=True, kw_only=True)
class StepEnded:
    """A step has ended, with its result."""

    step: Step
    at_s: float
    result: StepResult


Event = StepStarted | StepProgress | StepEnded
Sink = Callable[[Event], None]
Progress = Callable[[str, float | None], None]

_progress: ContextVar[Progress | None] = ContextVar("progress", default=None)


def progress(text: str, fraction: float | None = None) -> None:
    """Report the current step's activity; `fraction` (0..1) where it is known."""
    if (report := _progress.get()) is not None:
        report(text, fraction)


def reporter() -> Callable[[str], None]:
    """Return a function that reports progress of the current step from any thread, such as a tool's output reader."""
    report = _progress.get()
    return lambda text: report(text, None) if report is not None else None


@contextmanager
def reporting(report: Progress) -> Iterator[None]:
    """Send the progress inside the block to `report`."""
    token = _progress.set(report)
    try:
        yield
    finally:
        _progress.reset(token)
