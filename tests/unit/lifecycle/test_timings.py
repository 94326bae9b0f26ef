from __future__ import annotations

from lab.base.step import CHANGED, Step, StepResult, StepStatus
from lab.lifecycle.runner import RunReport
from lab.lifecycle.timings import critical_path


def report(**times: tuple[float, float]) -> RunReport:
    """Return a report of steps with the times from which and to which each ran."""
    results = {
        name: StepResult(status=StepStatus.CHANGED, began_s=began, duration_s=ended - began)
        for name, (began, ended) in times.items()
    }
    return RunReport(results=results, duration_s=max(ended for _, ended in times.values()))


def step(name: str, *after: str) -> Step:
    return Step(name=name, title=f"do {name}", run=lambda: CHANGED, after=after)


def test_before_each_step_comes_the_one_that_it_waited_for_last() -> None:
    steps = [step("a"), step("b"), step("c", "a", "b"), step("d", "a"), step("e", "d")]
    found = critical_path(steps, report(a=(0, 3), b=(0, 5), c=(5, 9), d=(3, 4), e=(4, 6)))
    assert [(one.name, one.began_s, one.duration_s) for one in found] == [("b", 0, 5), ("c", 5, 4)]
    assert found[0].title == "do b"


def test_steps_that_did_not_run_have_no_path() -> None:
    left = RunReport(results={"a": StepResult(status=StepStatus.NOT_RUN)}, duration_s=0)
    assert critical_path([step("a")], left) == ()
