"""The presenter: a state machine with views, whose state survives a restart."""

from __future__ import annotations

import shlex
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.base import wait
from lab.base.errors import LabError, UsageError
from lab.base.names import Json
from lab.base.process import run as real_run
from lab.mesh.capabilities import Capability
from lab.scenario.actions import Observe
from lab.scenario.context import Context
from lab.scenario.executor import Output, Typed
from lab.scenario.model import Scenario
from lab.scenario.observation import Observation, Outcome
from lab.scenario.position import Position
from lab.scenario.presenter import Checks, Presenter, Snapshot, StepState, StepView, Wish
from lab.scenario.results import StepRun
from lab.scenario.steps import StepRunner, check_one
from tests.unit.scenarios.kit import SEEN, FakeRunner, check, look, run_by, scenario, step, steps_of, typed


class RecordingView:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.snapshots: list[Snapshot] = []

    def state(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)

    def output(self, view: StepView, output: Output) -> None:
        self.seen.append(f"{view.id} $ {output.text}" if isinstance(output, Typed) else f"{view.id} {output.line}")

    def result(self, view: StepView, run: StepRun) -> None:
        self.seen.append(f"{view.id} {run.outcome.value}")

    def closing(self, scenario: Scenario) -> None:
        self.seen.append(f"closing {scenario.name}")

    def note(self, text: str) -> None:
        self.seen.append(text)


def two_steps(name: str = "demo", **of_two: Any) -> Scenario:
    return scenario(
        step("one", do=typed("echo one"), undo=typed("undo one"), checks=(check("one_works"),)),
        step(
            "two",
            **{"do": typed("echo two"), "undo": typed("undo two"), "checks": (check("two_works"),), **of_two},
        ),
        name=name,
    )


@pytest.fixture
def view() -> RecordingView:
    return RecordingView()


@pytest.fixture
def presenter(steps: StepRunner, view: RecordingView) -> Presenter:
    made = Presenter(scenarios=(two_steps(),), steps=steps)
    made.attach(view)
    return made


def status(presenter: Presenter, number: int = 0) -> tuple[StepState, Checks]:
    one = presenter.snapshot.steps[number]
    return one.state, one.checks


def at(presenter: Presenter) -> str:
    return presenter.current.id if presenter.current else "the end"


def request(presenter: Presenter, *wishes: Wish) -> None:
    for wish in wishes:
        presenter.request(wish)


def test_go_runs_a_step_and_then_moves_on(presenter: Presenter, view: RecordingView, runner: FakeRunner) -> None:
    assert status(presenter) == (StepState.IDLE, Checks.UNKNOWN)
    request(presenter, Wish.GO)
    assert (at(presenter), status(presenter)) == ("demo/one", (StepState.DONE, Checks.GREEN))
    assert view.seen == ["demo/one $ echo one", "demo/one hello", "demo/one passed"]
    request(presenter, Wish.GO)
    assert at(presenter) == "demo/two"
    assert runner.lines == ["echo one"]


def test_the_end_of_a_scenario_shows_its_summary_and_the_next_request_undoes_it(
    presenter: Presenter, view: RecordingView, runner: FakeRunner
) -> None:
    request(presenter, *[Wish.GO] * 6)
    assert (presenter.closed, view.seen[-1]) == (True, "closing demo")
    assert "undo one" not in runner.lines
    request(presenter, Wish.GO)
    assert at(presenter) == "the end"
    assert runner.lines == ["echo one", "echo two", "undo two", "undo one"]
    assert presenter.outcomes == {Outcome.PASSED}
    request(presenter, Wish.GO)
    assert at(presenter) == "the end"


def test_each_change_of_the_state_reaches_the_views(presenter: Presenter, view: RecordingView) -> None:
    request(presenter, Wish.GO)
    states = [(s.steps[0].state, s.steps[0].checks) for s in view.snapshots]
    assert states == [
        (StepState.IDLE, Checks.UNKNOWN),
        (StepState.RUNNING, Checks.UNKNOWN),
        (StepState.DONE, Checks.UNKNOWN),
        (StepState.DONE, Checks.GREEN),
    ]
    assert presenter.snapshot.steps[0].at > 0


def test_check_runs_only_the_checks(presenter: Presenter, view: RecordingView, runner: FakeRunner) -> None:
    request(presenter, Wish.CHECK)
    assert runner.ran == []
    assert view.seen == ["demo/one passed"]
    assert status(presenter) == (StepState.IDLE, Checks.GREEN)


def test_undo_stays_at_the_step(presenter: Presenter, runner: FakeRunner) -> None:
    request(presenter, Wish.UNDO)
    assert runner.ran == []
    request(presenter, Wish.GO, Wish.UNDO)
    assert runner.lines == ["echo one", "undo one"]
    assert (at(presenter), status(presenter)) == ("demo/one", (StepState.IDLE, Checks.UNKNOWN))
    assert presenter.position.begun == presenter.position.done == []


def test_back_undoes_the_step_and_then_the_one_before(presenter: Presenter, runner: FakeRunner) -> None:
    request(presenter, Wish.GO, Wish.GO, Wish.GO, Wish.BACK)
    assert (runner.lines[-1], at(presenter)) == ("undo two", "demo/two")
    request(presenter, Wish.BACK)
    assert (runner.lines[-1], at(presenter)) == ("undo one", "demo/one")
    request(presenter, Wish.BACK)
    assert at(presenter) == "demo/one"


def test_back_at_the_first_step_of_a_scenario_shows_the_one_before_without_an_undo(
    steps: StepRunner, runner: FakeRunner
) -> None:
    presenter = Presenter(scenarios=(two_steps("first"), two_steps("second")), steps=steps)
    request(presenter, *[Wish.SKIP] * 4)
    assert at(presenter) == "second/one"
    request(presenter, Wish.BACK)
    assert at(presenter) == "first/last"
    assert runner.ran == []


@pytest.mark.parametrize(
    ("wish", "ran", "where"),
    [
        (Wish.BACK, ["undo two"], "demo/two"),
        (Wish.UNDO, [], "demo/last"),
        (Wish.CHECK, [], "demo/last"),
        (Wish.SKIP, ["undo two", "undo one"], "the end"),
    ],
)
def test_at_the_end_of_a_scenario_only_go_and_skip_leave_it(
    presenter: Presenter, runner: FakeRunner, wish: Wish, ran: list[str], where: str
) -> None:
    request(presenter, *[Wish.GO] * 4, Wish.SKIP)
    assert presenter.closed
    request(presenter, wish)
    assert (presenter.closed, runner.lines[2:], at(presenter)) == (False, ran, where)


def test_a_jump_back_undoes_from_there_on_and_a_jump_ahead_skips(presenter: Presenter, runner: FakeRunner) -> None:
    request(presenter, *[Wish.GO] * 4)
    presenter.jump("demo/two")
    assert (runner.lines[2:], at(presenter)) == (["undo two"], "demo/two")
    presenter.jump("demo/last")
    assert (runner.lines[3:], at(presenter), presenter.position.begun) == ([], "demo/last", ["demo/one"])
    with pytest.raises(ValueError, match="demo/three"):
        presenter.jump("demo/three")


def test_a_jump_to_another_scenario_undoes_this_one(steps: StepRunner, runner: FakeRunner) -> None:
    presenter = Presenter(scenarios=(two_steps("first"), two_steps("second")), steps=steps)
    request(presenter, *[Wish.GO] * 3)
    presenter.jump("second/two")
    assert (runner.lines[2:], at(presenter)) == (["undo two", "undo one"], "second/two")
    request(presenter, *[Wish.SKIP] * 2)
    assert presenter.closed
    presenter.jump("first/one")
    assert (presenter.closed, at(presenter)) == (False, "first/one")


def test_skip_does_not_run(presenter: Presenter, runner: FakeRunner) -> None:
    request(presenter, Wish.SKIP, Wish.GO)
    assert runner.lines == ["echo two"]


def test_repeat_undoes_first(presenter: Presenter, runner: FakeRunner) -> None:
    request(presenter, Wish.GO, Wish.REPEAT)
    assert runner.lines == ["echo one", "undo one", "echo one"]


def test_a_command_that_fails_makes_the_step_failed_and_its_checks_red(
    presenter: Presenter, view: RecordingView, runner: FakeRunner
) -> None:
    runner.answers = {"echo one": LabError("refused"), **runner.answers}
    request(presenter, Wish.GO)
    assert status(presenter) == (StepState.FAILED, Checks.RED)
    assert view.seen[-1] == "demo/one errored"
    request(presenter, Wish.UNDO)
    assert (runner.lines[-1], status(presenter)[0]) == ("undo one", StepState.IDLE)


def test_a_check_that_fails_is_red_and_the_step_done(steps: StepRunner) -> None:
    wrong = scenario(step("one", do=typed("echo"), checks=(check("a"), check("b", look=look(holds=False)))))
    presenter = Presenter(scenarios=(wrong,), steps=steps)
    request(presenter, Wish.GO)
    assert status(presenter) == (StepState.DONE, Checks.RED)


def test_a_problem_of_an_undo_is_noted(presenter: Presenter, view: RecordingView, runner: FakeRunner) -> None:
    runner.answers = {"undo one": LabError("cannot"), **runner.answers}
    request(presenter, Wish.GO, Wish.UNDO)
    assert "one could not be undone: cannot" in view.seen


def test_an_interruption_leaves_a_failed_step_that_runs_again_only_after_its_undo(
    presenter: Presenter, runner: FakeRunner
) -> None:
    runner.answers = {"echo one": KeyboardInterrupt(), **runner.answers}
    with pytest.raises(KeyboardInterrupt):
        request(presenter, Wish.GO)
    assert status(presenter)[0] is StepState.FAILED
    assert (presenter.position.begun, presenter.position.done) == (["demo/one"], [])

    runner.answers["echo one"] = "hello\n"
    request(presenter, Wish.GO)
    assert runner.lines == ["echo one", "undo one", "echo one"]
    assert status(presenter) == (StepState.DONE, Checks.GREEN)


def test_another_thread_interrupts_the_command_that_runs(
    context: Context, runner: FakeRunner, tmp_path: Path, view: RecordingView
) -> None:
    ready = tmp_path / "ready"
    script = tmp_path / "long.py"
    script.write_text(f"import pathlib, time; pathlib.Path({str(ready)!r}).touch(); time.sleep(60)\n")
    steps = steps_of(context, runner)
    long = step("one", do=typed(shlex.join([sys.executable, str(script)])), undo=typed("undo one"))
    presenter = Presenter(scenarios=(scenario(long),), steps=steps)
    presenter.attach(view)
    run_by(steps.executor, real_run)

    def stop() -> None:
        wait.until("the child", lambda: ready.exists() or wait.NotYet("no"), timeout_s=20, interval_s=0.01)
        presenter.interrupt()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        request(presenter, Wish.GO)
    thread.join()
    assert status(presenter)[0] is StepState.FAILED
    run_by(steps.executor, runner)
    request(presenter, Wish.UNDO)  # the interruption is over
    assert runner.lines == ["undo one"]
    presenter.interrupt()  # nothing runs
    assert status(presenter)[0] is StepState.IDLE


def test_the_state_survives_a_restart(context: Context, runner: FakeRunner, tmp_path: Path) -> None:
    file = tmp_path / "state" / "walk.json"

    def begin() -> Presenter:
        whole = two_steps(do=(*typed("echo two"), Observe("pods", lambda _: ["a"])))
        return Presenter(scenarios=(whole,), steps=steps_of(context, runner), position=Position.read(file))

    first = begin()
    request(first, Wish.GO, Wish.GO, Wish.GO)
    context.memo = {}

    again = begin()
    assert at(again) == "demo/two"
    assert again.snapshot.steps == first.snapshot.steps
    assert [status(again, n) for n in (0, 1)] == [(StepState.DONE, Checks.GREEN)] * 2
    assert context.recall("pods") == ["a"]
    request(again, *[Wish.GO] * 4)
    assert runner.lines == ["echo one", "echo two", "undo two", "undo one"]
    assert not file.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), LabError("no")], ids=["interrupted", "a command failed"])
def test_a_failed_step_is_still_failed_after_a_restart(
    context: Context, runner: FakeRunner, tmp_path: Path, error: BaseException
) -> None:
    file = tmp_path / "walk.json"
    runner.answers = {"echo one": error, **runner.answers}
    first = Presenter(scenarios=(two_steps(),), steps=steps_of(context, runner), position=Position.read(file))
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            request(first, Wish.GO)
    else:
        request(first, Wish.GO)

    again = Presenter(scenarios=(two_steps(),), steps=steps_of(context, runner), position=Position.read(file))
    assert status(again)[0] is StepState.FAILED
    request(again, Wish.BACK)
    assert (runner.lines[-1], at(again)) == ("undo one", "demo/one")


def test_a_step_that_ran_when_the_process_was_killed_is_failed(
    context: Context, runner: FakeRunner, tmp_path: Path
) -> None:
    file = tmp_path / "walk.json"
    killed: list[Position] = []
    runner.answers = {"echo one": lambda: killed.append(Position.read(file)) or "hello\n", **runner.answers}  # type: ignore[func-returns-value]
    request(Presenter(scenarios=(two_steps(),), steps=steps_of(context, runner), position=Position.read(file)), Wish.GO)
    again = Presenter(scenarios=(two_steps(),), steps=steps_of(context, runner), position=killed[0])
    assert (at(again), status(again)[0]) == ("demo/one", StepState.FAILED)
    assert again.position.begun == ["demo/one"]


def test_the_steps_of_an_unfinished_walk_are_not_forgotten_by_a_walk_of_other_scenarios(
    context: Context, runner: FakeRunner, tmp_path: Path
) -> None:
    file = tmp_path / "walk.json"

    def begin(*scenarios: Scenario) -> Presenter:
        return Presenter(scenarios=scenarios, steps=steps_of(context, runner), position=Position.read(file))

    first, second = two_steps("first"), two_steps("second")
    request(begin(first, second), Wish.GO)
    other = begin(second)
    request(other, *[Wish.SKIP] * 4)
    assert (at(other), runner.lines) == ("the end", ["echo one"])

    again = begin(first, second)
    assert (at(again), status(again)) == ("first/one", (StepState.DONE, Checks.GREEN))
    again.undo_all()
    assert runner.lines == ["echo one", "undo one"]


def test_an_unreadable_position_is_the_beginning(tmp_path: Path) -> None:
    file = tmp_path / "walk.json"
    assert Position.read(file).at is None
    file.write_text("{half")
    assert Position.read(file).at is None
    file.write_text('{"at": null}')
    assert Position.read(file).at is None


def test_a_position_at_a_step_that_does_not_exist_any_more_is_the_beginning(steps: StepRunner) -> None:
    presenter = Presenter(scenarios=(two_steps(),), steps=steps, position=Position(at="demo/renamed"))
    assert at(presenter) == "demo/one"


def test_a_status_that_cannot_be_read_is_that_of_a_step_that_did_not_run(steps: StepRunner) -> None:
    later: Json = {"id": "demo/one", "state": "paused", "checks": "green"}
    position = Position(at="demo/one", statuses={"demo/one": later, "demo/two": {"state": "done"}})
    presenter = Presenter(scenarios=(two_steps(),), steps=steps, position=position)
    assert {one.state for one in presenter.snapshot.steps} == {StepState.IDLE}


def test_a_second_view_gets_the_state_first_and_nothing_after_it_left(
    presenter: Presenter, view: RecordingView
) -> None:
    request(presenter, Wish.GO)
    second = RecordingView()
    leave = presenter.attach(second)
    assert second.snapshots == [presenter.snapshot]
    assert second.snapshots[0].current is not None
    assert second.snapshots[0].current.id == "demo/one"
    request(presenter, Wish.GO)
    assert second.snapshots[-1] == view.snapshots[-1]

    leave()
    seen = len(second.snapshots)
    request(presenter, Wish.GO)
    assert (len(second.snapshots), second.seen) == (seen, [])
    assert "demo/two passed" in view.seen


def test_a_scenario_that_the_stack_cannot_show_is_left_out(steps: StepRunner, view: RecordingView) -> None:
    cannot = scenario(step("one", do=typed("echo")), requires=frozenset({Capability.SPLIT_SMI}), name="smi")
    presenter = Presenter(scenarios=(cannot, two_steps()), steps=steps)
    presenter.attach(view)
    request(presenter, Wish.GO)
    assert view.seen == ["A demo is left out: this lab cannot split requests by an SMI TrafficSplit"]
    assert at(presenter) == "demo/one"


def test_a_scenario_that_this_lab_cannot_begin_is_left_out_and_a_begun_one_continues(
    steps: StepRunner, view: RecordingView
) -> None:
    obstacle = {"why": "north has joined"}
    one = replace(two_steps(), obstacle=lambda _: obstacle.get("why"))
    presenter = Presenter(scenarios=(one, two_steps("last")), steps=steps)
    presenter.attach(view)
    request(presenter, Wish.GO)
    assert view.seen == [f"{one.title} is left out: north has joined"]
    assert at(presenter) == "last/one"

    del obstacle["why"]
    presenter = Presenter(scenarios=(one,), steps=steps)
    request(presenter, Wish.GO)
    obstacle["why"] = "the step itself has let it join"
    request(presenter, Wish.GO, Wish.GO)
    assert "demo/two" in presenter.position.begun


def test_steps_of_the_full_set_are_presented_only_with_full(steps: StepRunner) -> None:
    whole = two_steps(full_only=True)
    ids = [view.id for view in Presenter(scenarios=(whole,), steps=steps).all]
    steps.context.full = True
    full = [view.id for view in Presenter(scenarios=(whole,), steps=steps).all]
    assert (ids, full) == (["demo/one", "demo/last"], ["demo/one", "demo/two", "demo/last"])


def test_an_undo_that_is_not_done_in_time_says_what_is_left(
    presenter: Presenter, view: RecordingView, runner: FakeRunner
) -> None:
    request(presenter, Wish.GO, Wish.GO, Wish.GO)
    runner.answers = {"undo one": KeyboardInterrupt(), **runner.answers}
    with pytest.raises(KeyboardInterrupt):
        presenter.undo_in_time()
    assert view.seen[-1].endswith("timed out after 120 s undoing demo/one; run `lab reset`")


def test_undo_all_undoes_the_last_step_first(presenter: Presenter, runner: FakeRunner) -> None:
    request(presenter, Wish.GO, Wish.GO, Wish.GO)
    presenter.undo_all()
    assert runner.lines[2:] == ["undo two", "undo one"]
    assert presenter.position.begun == []


# One check, for a learner


def test_a_learners_check_changes_nothing(steps: StepRunner, runner: FakeRunner) -> None:
    whole = scenario(step("one", do=typed("echo"), checks=(check(look=look(holds=False, seen="no endpoints")),)))
    assert check_one(steps, [whole], "demo/one").outcome is Outcome.FAILED
    assert runner.ran == []
    with pytest.raises(UsageError, match="demo/one"):
        check_one(steps, [whole], "demo/three")


def recorded(context: Context) -> Observation:
    return Observation(holds=context.recall("seconds") < 1, seen="quick", evidence=(SEEN,))


def test_a_learners_check_without_a_measurement_names_the_step_to_run(steps: StepRunner) -> None:
    whole = scenario(step("one", do=typed("echo"), checks=(check(look=recorded, within_s=60), check("other"))))
    measured, other = check_one(steps, [whole], "demo/one").checks
    assert measured.outcome is Outcome.SKIPPED
    assert "lab run demo" in measured.reason
    assert other.outcome is Outcome.PASSED
    steps.context.memo["seconds"] = 0.5
    assert check_one(steps, [whole], "demo/one").checks[0].outcome is Outcome.PASSED


def test_a_step_that_ran_without_a_measurement_is_errored(steps: StepRunner) -> None:
    whole = scenario(step("one", do=typed("echo"), checks=(check(look=recorded),)))
    run = steps.run(whole, whole.steps[0])
    assert run.checks[0].outcome is Outcome.ERRORED
    assert "seconds" in run.checks[0].reason


def test_a_learners_check_of_a_step_that_the_stack_cannot_do_is_skipped(steps: StepRunner) -> None:
    cannot = step("one", do=typed("echo"), checks=(check(),), requires=frozenset({Capability.SPLIT_SMI}))
    whole = scenario(cannot)
    run = check_one(steps, [whole], "demo/one")
    assert (run.outcome, run.reason) == (
        Outcome.SKIPPED,
        "this lab cannot split requests by an SMI TrafficSplit",
    )
