"""The runner: order, concurrency, failures, interruption."""

import threading
from collections.abc import Callable, Iterable

import pytest

from lab.base import events, wait
from lab.base.errors import CommandError, LabError, StepsFailed
from lab.base.events import Event, StepEnded, StepProgress
from lab.base.step import CHANGED, UNCHANGED, Pool, Step, StepResult, StepStatus
from lab.lifecycle import runner

Body = Callable[[], StepResult]


def step(name: str, body: Body = lambda: CHANGED, *, after: Iterable[str] = (), pool: Pool = Pool.WAIT) -> Step:
    return Step(name=name, title=f"do {name}", run=body, after=tuple(after), pool=pool)


def run(*steps: Step, sink: events.Sink = lambda _: None, build_jobs: int | None = None) -> runner.RunReport:
    return runner.run(steps, sink=sink, build_jobs=build_jobs)


def test_a_step_starts_after_all_that_it_needs() -> None:
    order: list[str] = []

    def note(name: str) -> Body:
        return lambda: order.append(name) or CHANGED

    run(step("c", note("c"), after=["a", "b"]), step("b", note("b"), after=["a"]), step("a", note("a")))
    assert order == ["a", "b", "c"]


def test_independent_steps_run_at_once() -> None:
    meet = threading.Barrier(2, timeout=10)
    run(step("a", lambda: (meet.wait(), CHANGED)[1]), step("b", lambda: (meet.wait(), CHANGED)[1]))
    assert not meet.broken


def test_builds_keep_to_their_number() -> None:
    inside, most, guard = 0, 0, threading.Lock()

    def body() -> StepResult:
        nonlocal inside, most
        with guard:
            inside += 1
            most = max(most, inside)
        events.progress("compiling")
        with guard:
            inside -= 1
        return CHANGED

    run(*(step(f"b{n}", body, pool=Pool.BUILD) for n in range(8)), build_jobs=1)
    assert most == 1


def test_after_a_failure_nothing_new_begins_and_every_error_is_kept() -> None:
    meet = threading.Barrier(2, timeout=10)

    def fail(words: str) -> Body:
        def body() -> StepResult:
            meet.wait()
            raise LabError(words, next="lab doctor")

        return body

    begun: list[str] = []
    with pytest.raises(StepsFailed) as caught:
        run(
            step("a", fail("no room")),
            step("b", fail("no light")),
            step("c", lambda: begun.append("c") or CHANGED, after=["a"]),
        )
    assert set(caught.value.failures) == {"a", "b"}
    assert begun == []
    assert caught.value.next == "lab doctor"


def test_an_unforeseen_exception_becomes_the_steps_error() -> None:
    with pytest.raises(StepsFailed, match="ZeroDivisionError") as caught:
        run(step("a", lambda: 1 / 0))  # type: ignore[arg-type,return-value]
    assert isinstance(caught.value.failures["a"].__cause__, ZeroDivisionError)


def test_progress_from_deep_inside_reaches_the_sink_with_its_step() -> None:
    seen: list[Event] = []
    run(step("a", lambda: events.progress("half", 0.5) or CHANGED), sink=seen.append)
    assert [(e.step.name, e.text, e.fraction) for e in seen if isinstance(e, StepProgress)] == [("a", "half", 0.5)]


def test_the_report_tells_what_changed() -> None:
    report = run(step("a"), step("b", lambda: UNCHANGED))
    assert report.changed == ("a",)


def test_ctrl_c_tells_what_is_done_and_what_is_left() -> None:
    def interrupt(event: Event) -> None:
        if isinstance(event, StepEnded):
            raise KeyboardInterrupt

    def press() -> StepResult:
        raise KeyboardInterrupt

    with pytest.raises(runner.Interrupted) as caught:
        run(step("a"), step("b", press, after=["a"]), step("c", after=["b"]))
    results = caught.value.report.results
    assert results["a"].status is StepStatus.CHANGED
    assert results["c"].status is StepStatus.NOT_RUN


def test_what_ctrl_c_cuts_short_is_not_called_an_error() -> None:
    begun = threading.Event()

    def press() -> StepResult:
        begun.wait(10)
        raise KeyboardInterrupt

    def cut() -> StepResult:
        begun.set()
        wait.pause(40)  # until the run is cancelled
        raise CommandError(["kind"], returncode=-15)

    with pytest.raises(runner.Interrupted) as caught:
        run(step("a", press), step("b", cut))
    assert caught.value.report.results["b"].status is StepStatus.NOT_RUN
    assert caught.value.report.results["b"].detail == "stopped in the middle"


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([step("a"), step("a")], "same name"),
        ([step("a", after=["b"])], "needs b"),
        ([step("a", after=["b"]), step("b", after=["a"])], "circle"),
    ],
)
def test_a_graph_that_cannot_be_walked_is_refused(steps: list[Step], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        runner.check(steps)
