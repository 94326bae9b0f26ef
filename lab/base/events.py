"""What happens while a plan runs, as a stream of events that a console can show.

A step's code, however deep, says what it is doing with `progress`; the runner has set whose step it is. Outside a
step the words go nowhere, so library code can always say them.
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
    """What a running step is doing or waiting for. `fraction` is 0..1 where it is known."""

    step: Step
    at_s: float
    text: str
    fraction: float | None = None


@dataclass(frozen=True, kw_only=True)
class StepEnded:
    """A step has ended; its result tells how."""

    step: Step
    at_s: float
    result: StepResult


Event = StepStarted | StepProgress | StepEnded
Sink = Callable[[Event], None]
Progress = Callable[[str, float | None], None]

_progress: ContextVar[Progress | None] = ContextVar("progress", default=None)


def progress(text: str, fraction: float | None = None) -> None:
    """Say what the current step is doing; `fraction` (0..1) where it is known."""
    if (report := _progress.get()) is not None:
        report(text, fraction)


def reporter() -> Callable[[str], None]:
    """Return what says `progress` for the current step from any thread, such as one that reads a tool's output."""
    report = _progress.get()
    return lambda text: report(text, None) if report is not None else None


@contextmanager
def reporting(report: Progress) -> Iterator[None]:
    """Send what `progress` is told inside the block to `report`."""
    token = _progress.set(report)
    try:
        yield
    finally:
        _progress.reset(token)
