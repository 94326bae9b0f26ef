from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lab.base import cancel, wait
from lab.base.errors import LabError
from lab.mesh.capabilities import Capability
from lab.scenario.context import Context
from lab.scenario.events import Ended, Event, Restoring
from lab.scenario.evidence import EvidenceFolder
from lab.scenario.model import Observation, Outcome, Sabotage, ScenarioStep
from lab.scenario.runner import ScenarioInterrupted, ScenarioRunner
from tests.unit.scenarios.kit import SEEN, check, look, scenario, step


def test_a_step_without_an_act_runs_its_command_as_shown(context: Context) -> None:
    run = ScenarioRunner(context=context).run(scenario(step(command="echo 'a b' | echo c")))

    assert context.runner.ran == [("echo", "a b"), ("echo", "c")]
    assert context.runner.fed == [None, "hello\n"]
    assert run.steps[0].output == "hello"
    assert run.outcome is Outcome.PASSED


def test_a_failed_check_fails_the_scenario_and_skips_the_steps_after_it(context: Context) -> None:
    wrong = check("right", look=look(holds=False, seen="wrong"))
    run = ScenarioRunner(context=context).run(scenario(step("one", checks=(wrong,)), step("two", command="echo 2")))

    assert run.outcome is Outcome.FAILED
    assert run.reason == "right: wrong"
    assert [s.outcome for s in run.steps] == [Outcome.FAILED, Outcome.SKIPPED, Outcome.SKIPPED]
    assert run.steps[1].reason == "step one failed before it"
    assert context.runner.ran == []


def test_an_act_that_breaks_is_errored_not_failed(context: Context) -> None:
    def breaks(_: Context) -> None:
        raise LabError("the API server is gone", where="east")

    run = ScenarioRunner(context=context).run(scenario(step(act=breaks, checks=(check(),))))

    assert run.outcome is Outcome.ERRORED
    assert run.reason == "east: the API server is gone"
    assert [(c.outcome, c.reason) for c in run.steps[0].checks] == [(Outcome.ERRORED, "east: the API server is gone")]


def test_a_look_that_breaks_is_errored_not_failed(context: Context) -> None:
    def breaks(_: Context) -> Observation:
        raise KeyError("answers")

    run = ScenarioRunner(context=context).run(scenario(step(checks=(check(look=breaks),))))

    assert run.checks[0].outcome is Outcome.ERRORED
    assert run.checks[0].reason == "KeyError: 'answers'"


def test_a_check_without_evidence_is_errored(context: Context) -> None:
    bare = check(look=lambda _: Observation(holds=True, seen="trust me", evidence=()))
    run = ScenarioRunner(context=context).run(scenario(step(checks=(bare,))))

    assert run.checks[0].outcome is Outcome.ERRORED
    assert run.checks[0].reason == "the check has no evidence"


def test_undo_runs_backwards_and_for_the_step_that_broke(context: Context) -> None:
    undone: list[str] = []

    def breaks(_: Context) -> None:
        raise LabError("no")

    steps = [
        step("one", command="echo 1", undo=lambda _: undone.append("one")),
        step("two", act=breaks, undo=lambda _: undone.append("two")),
        step("three", command="echo 3", undo=lambda _: undone.append("three")),
    ]
    ScenarioRunner(context=context).run(scenario(*steps))

    assert undone == ["two", "one"]


def test_ctrl_c_restores_and_then_interrupts(context: Context) -> None:
    undone: list[str] = []

    def interrupted(_: Context) -> None:
        raise KeyboardInterrupt

    steps = [
        step("one", command="echo 1", undo=lambda _: undone.append("one")),
        step("two", act=interrupted, undo=lambda _: undone.append("two")),
    ]
    with pytest.raises(ScenarioInterrupted) as stopped:
        ScenarioRunner(context=context).run(scenario(*steps))

    assert undone == ["two", "one"]
    assert stopped.value.run.outcome is Outcome.ERRORED
    assert stopped.value.run.reason == "interrupted"


def test_an_undo_that_ctrl_c_interrupts_is_done_again_and_the_others_follow(context: Context) -> None:
    undone: list[str] = []
    first: Iterator[bool] = iter([True])

    def undo(_: Context) -> None:
        if next(first, False):
            raise KeyboardInterrupt
        undone.append("two")

    steps = [
        step("one", command="echo 1", undo=lambda _: undone.append("one")),
        step("two", command="echo 2", undo=undo),
    ]
    told: list[Event] = []
    with pytest.raises(ScenarioInterrupted):
        ScenarioRunner(context=context, sink=told.append).run(scenario(*steps))

    assert undone == ["two", "one"]
    assert [event.interrupted for event in told if isinstance(event, Restoring)] == [False, True]


def test_the_undo_of_a_cancelled_run_can_wait(context: Context, token: cancel.Token) -> None:
    undone: list[bool] = []

    def interrupted(_: Context) -> None:
        token.cancel()
        raise KeyboardInterrupt

    one = step("one", act=interrupted, undo=lambda _: undone.append(wait.until("x", lambda: True, timeout_s=1)))
    with pytest.raises(ScenarioInterrupted):
        ScenarioRunner(context=context).run(scenario(one))
    assert undone == [True]


def test_a_failed_undo_is_reported_and_the_others_still_run(context: Context) -> None:
    undone: list[str] = []

    def breaks(_: Context) -> None:
        raise LabError("cannot")

    steps = [
        step("one", command="echo 1", undo=lambda _: undone.append("one")),
        step("two", command="echo 2", undo=breaks),
    ]
    run = ScenarioRunner(context=context).run(scenario(*steps))

    assert undone == ["one"]
    assert run.outcome is Outcome.ERRORED
    assert run.restore_problems == ("two could not be undone: cannot",)


def test_a_lacking_capability_skips_with_its_reason(context: Context) -> None:
    runner = ScenarioRunner(context=context)
    whole = runner.run(scenario(step(command="echo 1"), requires=frozenset({Capability.AUTHORIZE_REQUEST})))
    one = runner.run(scenario(step(checks=(check(requires=frozenset({Capability.AUTHORIZE_REQUEST})),))))

    assert (whole.outcome, whole.reason, whole.steps) == (
        Outcome.SKIPPED,
        "this stack cannot allow callers by method and path",
        (),
    )
    assert one.outcome is Outcome.PASSED
    assert (one.checks[0].outcome, one.checks[0].reason) == (
        Outcome.SKIPPED,
        "this stack cannot allow callers by method and path",
    )


def test_a_check_looks_again_until_it_holds(context: Context) -> None:
    looks = iter([False, False, True])
    patient = check(look=lambda _: Observation(holds=next(looks), seen="2/3", evidence=(SEEN,)), within_s=30)
    run = ScenarioRunner(context=context).run(scenario(step(checks=(patient,))))

    assert run.checks[0].outcome is Outcome.PASSED
    assert next(looks, None) is None


def test_a_check_that_times_out_fails_with_its_last_observation(context: Context) -> None:
    never = check(look=look(holds=False, seen="0 of 3 endpoints"), within_s=0.01)
    run = ScenarioRunner(context=context).run(scenario(step(checks=(never,))))

    assert (run.checks[0].outcome, run.checks[0].observed) == (Outcome.FAILED, "0 of 3 endpoints")
    assert run.checks[0].evidence == (SEEN,)


def test_steps_of_the_full_set_are_skipped_with_the_command_that_runs_them(context: Context) -> None:
    run = ScenarioRunner(context=context).run(scenario(step(checks=(check(),), full_only=True)))

    assert run.checks[0].outcome is Outcome.SKIPPED
    assert run.checks[0].reason == "part of the full set: lab run --full"
    assert run.outcome is Outcome.PASSED


def test_state_is_collected_before_the_undo(context: Context) -> None:
    order: list[str] = []

    def collect(_: object) -> tuple[str, ...]:
        order.append("collected")
        return ("logs/west.txt",)

    wrong = step(checks=(check(look=look(holds=False)),), command="echo", undo=lambda _: order.append("undone"))
    run = ScenarioRunner(context=context, collect=collect).run(scenario(wrong))

    assert order == ["collected", "undone"]
    assert run.files == ("logs/west.txt",)


class TestSabotage:
    @staticmethod
    def split(order: list[str], *, holds: list[bool], breaks: bool = False) -> ScenarioStep:
        def off(_: Context) -> None:
            holds.clear()
            if breaks:
                raise LabError("no such route")

        return step(
            "split",
            command="echo split",
            undo=lambda _: order.append("step"),
            checks=(
                check("is_even", look=lambda _: Observation(holds=bool(holds), seen="", evidence=(SEEN,))),
                check("is_there"),
            ),
            sabotage=Sabotage(title="no split", act=off, undo=lambda _: order.append("sabotage"), fails="is_even"),
        )

    def test_is_caught_when_the_named_check_fails_and_is_undone_first(self, context: Context) -> None:
        order: list[str] = []
        split = self.split(order, holds=[True])
        run = ScenarioRunner(context=context).run(scenario(split, step("two", command="echo 2")), sabotage=split)

        assert run.sabotage is not None
        assert run.sabotage.caught is True
        assert order == ["sabotage", "step"]
        assert [s.name for s in run.steps] == ["split"]

    def test_is_not_caught_when_another_check_fails(self, context: Context) -> None:
        split = step(
            checks=(check("is_even"), check("other", look=look(holds=False))),
            sabotage=Sabotage(title="no split", act=lambda _: None, undo=lambda _: None, fails="is_even"),
        )
        run = ScenarioRunner(context=context).run(scenario(split), sabotage=split)

        assert run.sabotage is not None
        assert (run.sabotage.caught, run.sabotage.verdict) == (False, "is_even did not notice")

    def test_a_broken_lab_is_not_taken_for_a_caught_sabotage(self, context: Context) -> None:
        split = self.split([], holds=[True], breaks=True)
        run = ScenarioRunner(context=context).run(scenario(split), sabotage=split)

        assert run.outcome is Outcome.ERRORED
        assert run.sabotage is not None
        assert (run.sabotage.caught, run.sabotage.verdict) == (False, "the lab broke: no such route")

    def test_a_failure_before_it_is_not_taken_for_a_caught_sabotage(self, context: Context) -> None:
        split = self.split([], holds=[True])
        earlier = step("earlier", checks=(check(look=look(holds=False)),))
        run = ScenarioRunner(context=context).run(scenario(earlier, split), sabotage=split)

        assert run.sabotage is not None
        assert run.sabotage.caught is False
        assert "earlier" in run.sabotage.verdict

    def test_is_not_tried_where_the_scenario_is_skipped(self, context: Context) -> None:
        split = self.split([], holds=[True])
        whole = scenario(split, requires=frozenset({Capability.SPLIT_SMI}))
        run = ScenarioRunner(context=context).run(whole, sabotage=split)

        assert run.sabotage is not None
        assert run.sabotage.caught is None


def test_the_sink_gets_the_end_after_restoring(context: Context) -> None:
    told: list[str] = []
    whole = scenario(step(command="echo", undo=lambda _: told.append("undone")))
    ScenarioRunner(context=context, sink=lambda event: told.append(type(event).__name__)).run(whole)

    assert told[-3:] == ["Restoring", "undone", Ended.__name__]


def test_a_run_starts_with_an_empty_memo(context: Context) -> None:
    context.memo["left over"] = 1
    ScenarioRunner(context=context).run(scenario(step(command="echo")))

    assert context.memo == {}


def test_secrets_do_not_reach_the_result(context: Context) -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    told = check(
        look=lambda _: Observation(
            holds=True, seen="ok", evidence=(replace(SEEN, text=f"token {token}", data={"a": [token]}),)
        )
    )
    run = ScenarioRunner(context=context, folder=EvidenceFolder()).run(scenario(step(checks=(told,))))

    assert token not in repr(run)
