from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.base.errors import UsageError
from lab.mesh.capabilities import Capability
from lab.present.walk import Position, StepView, Walk, check_one
from lab.scenario.context import Context
from lab.scenario.model import Observation, Outcome, Scenario
from lab.scenario.results import StepRun
from lab.scenario.runner import ScenarioRunner
from tests.unit.scenarios.kit import SEEN, check, look, sabotaged, scenario, step


class RecordingView:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def before(self, scene: StepView) -> None:
        self.seen.append(f"before {scene.id}")

    def typing(self, scene: StepView) -> None:
        self.seen.append(f"typing {scene.id}")

    def after(self, scene: StepView, run: StepRun) -> None:
        self.seen.append(f"after {scene.id} {run.outcome.value}")

    def closing(self, scenario: Scenario) -> None:
        self.seen.append(f"closing {scenario.name}")

    def note(self, text: str) -> None:
        self.seen.append(text)


class Presented:
    """A walk with keys that were pressed before."""

    def __init__(self, context: Context, keys: str | None, *, place: Position | None = None) -> None:
        self.undone: list[str] = []
        self.view = RecordingView()
        names = ("one", "two")
        steps = [
            sabotaged(
                name,
                act=lambda _: None,
                command=f"echo {name}",
            )
            for name in names
        ]
        self.scenario = scenario(*(self._undoing(s) for s in steps))
        pressed: Iterator[str] = iter((keys or "").split())
        self.walk = Walk(
            scenarios=(self.scenario,),
            runner=ScenarioRunner(context=context),
            view=self.view,
            keys=None if keys is None else lambda: next(pressed),
            place=place or Position(),
        )

    def _undoing(self, plain):  # type: ignore[no-untyped-def]
        from dataclasses import replace

        return replace(plain, undo=lambda _: self.undone.append(plain.name))


def test_enter_runs_a_step_and_then_continues(context: Context) -> None:
    it = Presented(context, "enter enter enter enter enter")

    assert it.walk.to_end() is True
    assert it.view.seen == [
        "before demo/one", "typing demo/one", "after demo/one passed",
        "before demo/two", "typing demo/two", "after demo/two passed", "closing demo",
    ]  # fmt: skip
    assert it.undone == ["two", "one"]


def test_repeat_undoes_first(context: Context) -> None:
    it = Presented(context, "enter r q")
    it.walk.to_end()

    assert it.undone == ["one"]
    assert context.runner.ran == [("echo", "one"), ("echo", "one")]


def test_rewind_undoes_the_step_and_then_the_one_before(context: Context) -> None:
    it = Presented(context, "enter enter enter b b q")
    it.walk.to_end()

    assert it.undone == ["two", "one"]
    assert it.walk.place.done == []
    assert it.walk.place.at == "demo/one"


def test_skip_does_not_run(context: Context) -> None:
    it = Presented(context, "s enter q")
    it.walk.to_end()
    assert context.runner.ran == [("echo", "two")]


def test_check_runs_only_the_checks(context: Context) -> None:
    it = Presented(context, "c q")
    it.walk.to_end()

    assert context.runner.ran == []
    assert "after demo/one passed" in it.view.seen


def test_unknown_keys_do_nothing(context: Context) -> None:
    it = Presented(context, "x escape 7 q")
    assert it.walk.to_end() is False
    assert context.runner.ran == []


def test_quitting_keeps_the_position_and_the_lab(context: Context, tmp_path: Path) -> None:
    file = tmp_path / "walk.json"
    first = Presented(context, "enter enter q", place=Position.read(file))
    context.memo["port"] = 9898
    assert first.walk.to_end() is False
    assert first.undone == []

    again = Presented(context, "enter enter enter", place=Position.read(file))
    assert again.walk.runner.context.memo == {"port": 9898}
    assert again.walk.to_end() is True
    assert again.view.seen[0] == "before demo/two"
    assert again.undone == ["two", "one"]
    assert not file.exists()


def test_an_automatic_walk_needs_no_keys_and_restores(context: Context) -> None:
    it = Presented(context, None)

    assert it.walk.to_end() is True
    assert it.walk.outcomes == {Outcome.PASSED}
    assert it.undone == ["two", "one"]


def test_an_unreadable_position_is_the_beginning(tmp_path: Path) -> None:
    file = tmp_path / "walk.json"
    file.write_text("{half")
    assert Position.read(file).at is None


def test_a_scenario_that_the_stack_cannot_show_is_left_out(context: Context) -> None:
    view = RecordingView()
    whole = scenario(step("one", command="echo"), requires=frozenset({Capability.SPLIT_SMI}))
    assert Walk(scenarios=(whole,), runner=ScenarioRunner(context=context), view=view, keys=None).to_end()
    assert view.seen == ["A demo is left out: this stack cannot split requests by an SMI TrafficSplit"]


def test_a_learners_check_changes_nothing(context: Context) -> None:
    whole = scenario(step("one", command="echo", checks=(check(look=look(holds=False, seen="no endpoints")),)))
    runner = ScenarioRunner(context=context)

    assert check_one(runner, [whole], "demo/one").outcome is Outcome.FAILED
    assert context.runner.ran == []
    with pytest.raises(UsageError, match="demo/one"):
        check_one(runner, [whole], "demo/three")


def test_a_learners_check_without_a_measurement_names_the_step_to_run(context: Context) -> None:
    def recorded(context: Context) -> Observation:
        return Observation(holds=context.recall("seconds") < 1, seen="quick", evidence=(SEEN,))

    whole = scenario(step("one", command="echo", checks=(check(look=recorded, within_s=60), check("other"))))
    runner = ScenarioRunner(context=context)

    run = check_one(runner, [whole], "demo/one")
    measured, other = run.checks
    assert measured.outcome is Outcome.SKIPPED
    assert "lab run demo" in measured.reason
    assert other.outcome is Outcome.PASSED
    context.memo["seconds"] = 0.5
    assert check_one(runner, [whole], "demo/one").checks[0].outcome is Outcome.PASSED


def test_a_step_that_ran_without_a_measurement_is_errored(context: Context) -> None:
    def recorded(context: Context) -> Observation:
        return Observation(holds=bool(context.recall("seconds")), seen="quick", evidence=(SEEN,))

    whole = scenario(step("one", command="echo", checks=(check(look=recorded),)))
    run = ScenarioRunner(context=context).run_step(whole, whole.steps[0])
    assert run.checks[0].outcome is Outcome.ERRORED
    assert "seconds" in run.checks[0].reason


def interrupting(context: Context, undone: list[str], keys: str | None, place: Position) -> Walk:
    """Return a walk whose second step is interrupted in the middle the first time."""
    pressed: Iterator[str] = iter((keys or "").split())
    cut: Iterator[bool] = iter([True])

    def act(_: Context) -> None:
        if next(cut, False):
            raise KeyboardInterrupt

    steps = [
        step("one", command="echo one", undo=lambda _: undone.append("one")),
        step("two", act=act, undo=lambda _: undone.append("two")),
    ]
    return Walk(
        scenarios=(scenario(*steps),),
        runner=ScenarioRunner(context=context),
        view=RecordingView(),
        keys=None if keys is None else lambda: next(pressed),
        place=place,
    )


def test_an_automatic_walk_undoes_the_step_that_was_interrupted(context: Context) -> None:
    undone: list[str] = []
    walk = interrupting(context, undone, None, Position())
    with pytest.raises(KeyboardInterrupt):
        walk.to_end()
    assert undone == ["two", "one"]
    assert isinstance(walk.view, RecordingView)
    assert walk.view.seen[-2:] == [
        "interrupted at demo/two; steps done: demo/one; steps to undo: demo/one, demo/two",
        "undoing them; press Ctrl-C again to stop at once",
    ]


def test_a_walk_that_continues_undoes_the_interrupted_step_before_it_runs_it_again(
    context: Context, tmp_path: Path
) -> None:
    undone: list[str] = []
    file = tmp_path / "walk.json"
    with pytest.raises(KeyboardInterrupt):
        interrupting(context, undone, "enter enter enter", Position.read(file)).to_end()
    assert undone == []
    assert Position.read(file).begun == ["demo/one", "demo/two"]

    again = interrupting(context, undone, "enter q", Position.read(file))
    with pytest.raises(KeyboardInterrupt):
        again.to_end()
    assert undone == ["two"]


def test_rewind_undoes_an_interrupted_step(context: Context) -> None:
    undone: list[str] = []
    place = Position(at="demo/two", begun=["demo/one", "demo/two"], done=["demo/one"])
    assert interrupting(context, undone, "b q", place).to_end() is False
    assert undone == ["two"]
    assert place.begun == ["demo/one"]
