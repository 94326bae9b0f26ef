"""Find the critical path of a run: the steps, one after the other, that decided how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.base.step import Step
from lab.lifecycle.runner import RunReport


@dataclass(frozen=True, kw_only=True)
class CriticalStep:
    """A step of the critical path; times in seconds since the run began."""

    name: str
    title: str
    began_s: float
    duration_s: float


def critical_path(steps: Sequence[Step], report: RunReport) -> tuple[CriticalStep, ...]:
    """Return the critical path, the first step first.

    It ends with the step that ended last. Before each step comes that one of the steps it waited for that ended last
    (https://en.wikipedia.org/wiki/Critical_path_method). Empty if no step has run.
    """
    by_name = {step.name: step for step in steps}

    def ended_s(name: str) -> float:
        return report.results[name].began_s + report.results[name].duration_s

    path: list[CriticalStep] = []
    candidates: Sequence[str] = [name for name in by_name if report.results[name].duration_s > 0]
    while candidates:
        step = by_name[max(candidates, key=ended_s)]
        result = report.results[step.name]
        path.append(
            CriticalStep(
                name=step.name, title=step.title, began_s=result.began_s, duration_s=round(result.duration_s, 3)
            )
        )
        candidates = step.after
    return tuple(reversed(path))
