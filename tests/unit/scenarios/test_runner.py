from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.base import cancel, children, process, wait
from lab.base.errors import ClusterError, LabError
from lab.base.paths import Paths
from lab.config import joined
from lab.mesh.capabilities import Capability
from lab.scenario.actions import Command, Observe, Start
from lab.scenario.context import Context
from lab.scenario.events import Ended, Event, Restoring, StepOutput
from lab.scenario.evidence import EvidenceFolder
from lab.scenario.executor import Printed, Typed
from lab.scenario.model import Sabotage, ScenarioStep
from lab.scenario.observation import Observation, Outcome
from lab.scenario.runner import ScenarioInterrupted
from scenarios import third_cluster
from tests.unit.scenarios.kit import (
    SEEN,
    FakeRunner,
    check,
    look,
    looks,
    run_by,
    runner_of,
    sabotaged,
    scenario,
    step,
    typed,
)


def test_a_step_runs_its_commands_as_shown(context: Context, runner: FakeRunner) -> None:
    whole = scenario(step(before=typed("echo first"), do=typed("echo 'a b' | echo c")))
    run = runner_of(context, runner).run(whole)

    assert whole.steps[0].lines == ("echo first", "echo 'a b' | echo c")
    assert runner.ran == [("echo", "first"), ("echo", "a b"), ("echo", "c")]
    assert runner.fed == [None, None, "hello\n"]
    assert {env["KUBECONFIG"] for env in runner.envs} == {"/state/kubeconfig"}
    assert run.steps[0].output == "$ echo first\nhello\n$ echo 'a b' | echo c\nhello"
    assert run.steps[0].command == whole.steps[0].script
    assert run.outcome is Outcome.PASSED


def test_the_events_of_a_run_come_in_order_and_its_output_line_by_line(context: Context, runner: FakeRunner) -> None:
    told: list[Event] = []
    runner.answers["echo"] = "one\ntwo\n"
    whole = sabotaged("only", do=typed("echo"), undo=typed("undo"))
    runner_of(context, runner, sink=told.append).run(scenario(whole))

    seen = [event.output if isinstance(event, StepOutput) else type(event).__name__ for event in told]
    assert seen == [
        "Began",
        "Began",
        Typed(text="echo"),
        Printed(line="one"),
        Printed(line="two"),
        "Checked",
        "ScenarioStepEnded",
        "Restoring",
        Typed(text="undo"),
        "Ended",
    ]


def test_a_failed_check_fails_the_scenario_and_skips_the_steps_after_it(context: Context, runner: FakeRunner) -> None:
    wrong = check("right", look=look(holds=False, seen="wrong"))
    run = runner_of(context, runner).run(scenario(step("one", checks=(wrong,)), step("two", do=typed("echo 2"))))

    assert run.outcome is Outcome.FAILED
    assert run.reason == "right: wrong"
    assert [s.outcome for s in run.steps] == [Outcome.FAILED, Outcome.SKIPPED, Outcome.SKIPPED]
    assert run.steps[1].reason == "step one failed before it"
    assert runner.ran == []


def test_a_command_that_breaks_is_errored_not_failed(context: Context, runner: FakeRunner) -> None:
    runner.answers["breaks"] = LabError("the API server is gone", where="east")
    run = runner_of(context, runner).run(scenario(step(do=typed("breaks", "echo 2"), checks=(check(),))))

    assert run.outcome is Outcome.ERRORED
    assert run.reason == "east: the API server is gone"
    assert [(c.outcome, c.reason) for c in run.steps[0].checks] == [(Outcome.ERRORED, "east: the API server is gone")]
    assert runner.lines == ["breaks"]
    assert run.steps[0].output == "$ breaks"


def test_a_look_that_breaks_is_errored_not_failed(context: Context, runner: FakeRunner) -> None:
    def breaks(_: Context) -> Observation:
        raise KeyError("answers")

    run = runner_of(context, runner).run(scenario(step(checks=(check(look=breaks),))))

    assert run.checks[0].outcome is Outcome.ERRORED
    assert run.checks[0].reason == "KeyError: 'answers'"


def test_a_check_without_evidence_is_errored(context: Context, runner: FakeRunner) -> None:
    bare = check(look=lambda _: Observation(holds=True, seen="trust me", evidence=()))
    run = runner_of(context, runner).run(scenario(step(checks=(bare,))))

    assert run.checks[0].outcome is Outcome.ERRORED
    assert run.checks[0].reason == "the check has no evidence"


def test_undo_runs_backwards_and_for_the_step_that_broke(context: Context, runner: FakeRunner) -> None:
    runner.answers["breaks"] = LabError("no")
    steps = [
        step("one", do=typed("echo 1"), undo=typed("undo one")),
        step("two", do=typed("breaks"), undo=typed("undo two", "undo two again")),
        step("three", do=typed("echo 3"), undo=typed("undo three")),
    ]
    runner_of(context, runner).run(scenario(*steps))

    assert runner.lines == ["echo 1", "breaks", "undo two", "undo two again", "undo one"]


def test_ctrl_c_restores_and_then_interrupts(context: Context, runner: FakeRunner) -> None:
    runner.answers["interrupted"] = KeyboardInterrupt()
    steps = [
        step("one", do=typed("echo 1"), undo=typed("undo one")),
        step("two", do=typed("interrupted", "echo 2"), undo=typed("undo two")),
    ]
    with pytest.raises(ScenarioInterrupted) as stopped:
        runner_of(context, runner).run(scenario(*steps))

    assert runner.lines == ["echo 1", "interrupted", "undo two", "undo one"]
    assert stopped.value.run.outcome is Outcome.ERRORED
    assert stopped.value.run.reason == "interrupted"


def test_an_undo_that_ctrl_c_interrupts_is_done_again_and_the_others_follow(
    context: Context, runner: FakeRunner
) -> None:
    first = iter([True])

    def undo() -> str:
        if next(first, False):
            raise KeyboardInterrupt
        return ""

    runner.answers = {"undo two": undo, **runner.answers}
    steps = [
        step("one", do=typed("echo 1"), undo=typed("undo one")),
        step("two", do=typed("echo 2"), undo=typed("undo two")),
    ]
    told: list[Event] = []
    with pytest.raises(ScenarioInterrupted):
        runner_of(context, runner, sink=told.append).run(scenario(*steps))

    assert runner.lines[2:] == ["undo two", "undo two", "undo one"]
    assert [event.interrupted for event in told if isinstance(event, Restoring)] == [False, True]


def test_the_undo_of_a_cancelled_run_can_wait(context: Context, runner: FakeRunner, token: cancel.Token) -> None:
    undone: list[bool] = []

    def interrupted() -> str:
        token.cancel()
        raise KeyboardInterrupt

    def undo() -> str:
        undone.append(wait.until("x", lambda: True, timeout_s=1))
        return ""

    runner.answers = {"interrupted": interrupted, "undo": undo}
    with pytest.raises(ScenarioInterrupted):
        runner_of(context, runner).run(scenario(step(do=typed("interrupted"), undo=typed("undo one"))))
    assert undone == [True]


def test_an_undo_that_takes_too_long_says_what_is_left_and_leaves_no_command_running(
    context: Context, runner: FakeRunner, token: cancel.Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> str:
        token.cancel()
        raise KeyboardInterrupt

    def endless() -> str:
        wait.until("the end of time", lambda: wait.NotYet("no"), timeout_s=60, interval_s=0.01)
        return ""

    monkeypatch.setattr("lab.scenario.runner.UNDO_S", 0.05)
    runner.answers = {"interrupted": interrupted, "undo two": endless, **runner.answers}
    steps = [
        step(
            "one",
            do=(*typed("echo 1"), Start(f"{sys.executable} -c 'import time; time.sleep(60)'", ready=look())),
            undo=typed("undo one"),
        ),
        step("two", do=typed("interrupted"), undo=typed("undo two")),
    ]
    started: list[children.Child] = []

    def start(*arguments: Any, **options: Any) -> children.Child:
        started.append(process.start(*arguments, **options))
        return started[-1]

    running = runner_of(context, runner)
    run_by(running.steps.executor, runner, starter=start)
    with pytest.raises(ScenarioInterrupted) as stopped:
        running.run(scenario(*steps))

    assert stopped.value.run.restore_problems == ("timed out after 0.05 s undoing two, one; run `lab reset`",)
    assert [child.returncode is not None for child in started] == [True]


def test_a_failed_undo_is_reported_and_the_others_still_run(context: Context, runner: FakeRunner) -> None:
    runner.answers = {"undo two first": LabError("cannot"), **runner.answers}
    steps = [
        step("one", do=typed("echo 1"), undo=typed("undo one")),
        step("two", do=typed("echo 2"), undo=typed("undo two first", "undo two second")),
    ]
    run = runner_of(context, runner).run(scenario(*steps))

    assert runner.lines[2:] == ["undo two first", "undo two second", "undo one"]
    assert run.outcome is Outcome.ERRORED
    assert run.restore_problems == ("two could not be undone: cannot",)


def test_a_lacking_capability_skips_with_its_reason(context: Context, runner: FakeRunner) -> None:
    by_request = frozenset({Capability.AUTHORIZE_REQUEST})
    reason = "this lab cannot allow callers by method and path"
    whole = runner_of(context, runner).run(scenario(step(do=typed("echo 1")), requires=by_request))
    one = runner_of(context, runner).run(scenario(step(checks=(check(requires=by_request),))))

    assert (whole.outcome, whole.reason, whole.steps) == (Outcome.SKIPPED, reason, ())
    assert one.outcome is Outcome.PASSED
    assert (one.checks[0].outcome, one.checks[0].reason) == (Outcome.SKIPPED, reason)


def test_what_a_lab_cannot_run_now_is_skipped_and_nothing_is_undone(context: Context, runner: FakeRunner) -> None:
    one = scenario(step(do=typed("echo 1"), undo=typed("undo 1")), obstacle=lambda _: "north has joined")
    run = runner_of(context, runner).run(one)
    assert (run.outcome, run.reason, runner.lines) == (Outcome.SKIPPED, "north has joined", [])


@pytest.mark.parametrize(("has", "words"), [("", None), ("joined", "would remove it"), ("a profile", "with a profile")])
def test_no_cluster_joins_where_the_scenario_would_remove_a_persons(
    tmp_path: Path, context: Context, has: str, words: str | None
) -> None:
    lab = replace(context.lab, paths=Paths(cache=tmp_path, state=tmp_path))
    if has == "joined":
        name = joined.spare_name(lab.spec)
        table = joined.table(lab.spec, name, region=None, ingress_port=None, is_free=lambda _: True)
        lab = replace(lab, spec=joined.extended(lab.spec, {name: table}))
    elif has:
        lab.paths.profile.write_text("{}")
    why = third_cluster.SCENARIO.obstacle(replace(context, lab=lab))
    assert why is None if words is None else words in (why or "")


def test_a_step_that_the_stack_cannot_do_is_skipped_and_the_next_one_runs(context: Context, runner: FakeRunner) -> None:
    cannot = step(
        "smi",
        do=typed("echo smi"),
        undo=typed("undo smi"),
        checks=(check("smi"),),
        requires=frozenset({Capability.SPLIT_SMI}),
    )
    run = runner_of(context, runner).run(scenario(cannot, step("two", do=typed("echo 2"))))

    assert [s.outcome for s in run.steps] == [Outcome.SKIPPED, Outcome.PASSED, Outcome.PASSED]
    assert [c.outcome for c in run.steps[0].checks] == [Outcome.SKIPPED]
    assert runner.lines == ["echo 2"]


def test_a_check_looks_again_until_it_holds(context: Context, runner: FakeRunner) -> None:
    results = iter([False, False, True])
    patient = check(look=lambda _: Observation(holds=next(results), seen="2/3", evidence=(SEEN,)), within_s=30)
    run = runner_of(context, runner).run(scenario(step(checks=(patient,))))

    assert run.checks[0].outcome is Outcome.PASSED
    assert next(results, None) is None


def test_a_check_that_times_out_fails_with_its_last_observation(context: Context, runner: FakeRunner) -> None:
    never = check(look=look(holds=False, seen="0 of 3 endpoints"), within_s=0.01)
    run = runner_of(context, runner).run(scenario(step(checks=(never,))))

    assert (run.checks[0].outcome, run.checks[0].observed) == (Outcome.FAILED, "0 of 3 endpoints")
    assert run.checks[0].evidence == (SEEN,)


def test_steps_of_the_full_set_are_skipped_with_the_command_that_runs_them(
    context: Context, runner: FakeRunner
) -> None:
    whole = scenario(step(do=typed("echo 1"), undo=typed("undo 1"), checks=(check(),), full_only=True))
    run = runner_of(context, runner).run(whole)

    assert run.checks[0].outcome is Outcome.SKIPPED
    assert run.checks[0].reason == "part of the full set: lab run --full"
    assert run.outcome is Outcome.PASSED
    assert runner.ran == []

    context.full = True
    runner_of(context, runner).run(whole)
    assert runner.lines == ["echo 1", "undo 1"]


def test_state_is_collected_before_the_undo(context: Context, runner: FakeRunner) -> None:
    order: list[list[str]] = []

    def collect(_: object) -> tuple[str, ...]:
        order.append(list(runner.lines))
        return ("logs/west.txt",)

    wrong = step(checks=(check(look=look(holds=False)),), do=typed("echo 1"), undo=typed("undo 1"))
    run = runner_of(context, runner, collect=collect).run(scenario(wrong))

    assert order == [["echo 1"]]
    assert runner.lines == ["echo 1", "undo 1"]
    assert run.files == ("logs/west.txt",)


class TestSabotage:
    @staticmethod
    def split(*, holds: bool = False, off: str = "off") -> ScenarioStep:
        return step(
            "split",
            do=typed("echo split"),
            undo=typed("undo step"),
            checks=(check("is_even", look=look(holds=holds)), check("is_there")),
            sabotage=Sabotage(title="no split", do=typed(off), undo=typed("undo sabotage"), fails="is_even"),
        )

    @pytest.fixture(autouse=True)
    def answers(self, runner: FakeRunner) -> None:
        runner.answers |= {"off": "", "breaks": LabError("no such route")}

    def test_is_caught_when_the_named_check_fails_and_is_undone_first(
        self, context: Context, runner: FakeRunner
    ) -> None:
        split = self.split()
        run = runner_of(context, runner).run(scenario(split, step("two", do=typed("echo 2"))), sabotage=split)

        assert run.sabotage is not None
        assert run.sabotage.caught is True
        assert runner.lines == ["echo split", "off", "undo sabotage", "undo step"]
        assert [s.name for s in run.steps] == ["split"]

    def test_with_before_do_is_done_between_before_and_do(self, context: Context, runner: FakeRunner) -> None:
        split = self.split()
        assert split.sabotage is not None
        early = replace(split, before=typed("echo before"), sabotage=replace(split.sabotage, before_do=True))
        runner_of(context, runner).run(scenario(early), sabotage=early)

        assert runner.lines == ["echo before", "off", "echo split", "undo sabotage", "undo step"]

    def test_is_not_done_in_a_usual_run(self, context: Context, runner: FakeRunner) -> None:
        runner_of(context, runner).run(scenario(self.split(holds=True)))
        assert runner.lines == ["echo split", "undo step"]

    def test_is_not_caught_when_another_check_fails(self, context: Context, runner: FakeRunner) -> None:
        split = replace(self.split(holds=True), checks=(check("is_even"), check("other", look=look(holds=False))))
        run = runner_of(context, runner).run(scenario(split), sabotage=split)

        assert run.sabotage is not None
        assert (run.sabotage.caught, run.sabotage.verdict) == (False, "is_even did not notice")

    def test_a_broken_lab_is_not_taken_for_a_caught_sabotage(self, context: Context, runner: FakeRunner) -> None:
        split = self.split(off="breaks")
        run = runner_of(context, runner).run(scenario(split), sabotage=split)

        assert run.outcome is Outcome.ERRORED
        assert run.sabotage is not None
        assert (run.sabotage.caught, run.sabotage.verdict) == (False, "the lab broke: no such route")

    def test_a_check_that_errors_is_named_with_its_reason(self, context: Context, runner: FakeRunner) -> None:
        def breaks(_: Context) -> Observation:
            raise ClusterError("east does not answer", where="east", next="lab status")

        split = replace(self.split(), checks=(check("is_even"), check("other", look=breaks)))
        run = runner_of(context, runner).run(scenario(split), sabotage=split)

        assert run.sabotage is not None
        assert run.sabotage.caught is False
        assert run.sabotage.verdict.startswith("the lab broke: other: ")
        assert "east does not answer" in run.sabotage.verdict

    def test_a_failure_before_it_is_not_taken_for_a_caught_sabotage(self, context: Context, runner: FakeRunner) -> None:
        split = self.split()
        earlier = step("earlier", checks=(check(look=look(holds=False)),))
        run = runner_of(context, runner).run(scenario(earlier, split), sabotage=split)

        assert run.sabotage is not None
        assert run.sabotage.caught is False
        assert "earlier" in run.sabotage.verdict

    def test_of_a_step_that_is_alone_runs_without_the_steps_before_it(
        self, context: Context, runner: FakeRunner
    ) -> None:
        split = replace(self.split(), alone=True)
        whole = scenario(step("earlier", do=typed("echo earlier"), undo=typed("undo earlier")), split)
        run = runner_of(context, runner).run(whole, sabotage=split)

        assert run.sabotage is not None
        assert run.sabotage.caught is True
        assert runner.lines == ["echo split", "off", "undo sabotage", "undo step"]

        runner.lines.clear()
        assert [s.name for s in runner_of(context, runner).run(whole).steps] == ["earlier", "split"]

    def test_is_not_tried_where_the_scenario_is_skipped(self, context: Context, runner: FakeRunner) -> None:
        split = self.split()
        whole = scenario(split, requires=frozenset({Capability.SPLIT_SMI}))
        run = runner_of(context, runner).run(whole, sabotage=split)

        assert run.sabotage is not None
        assert run.sabotage.caught is None
        assert runner.ran == []

    def test_after_the_expected_failure_no_check_waits(self, context: Context, runner: FakeRunner) -> None:
        slow = check("slow", look=looks(False), within_s=60)  # a second look would end in a StopIteration
        split = replace(self.split(), checks=(check("is_even", look=look(holds=False)), slow))
        run = runner_of(context, runner).run(scenario(split), sabotage=split)
        assert [c.outcome for c in run.checks] == [Outcome.FAILED, Outcome.FAILED]


def test_the_sink_gets_the_end_after_restoring(context: Context, runner: FakeRunner) -> None:
    told: list[Event] = []
    whole = scenario(step(do=typed("echo 1"), undo=typed("undo 1")))
    runner_of(context, runner, sink=told.append).run(whole)

    assert isinstance(told[-3], Restoring)
    assert isinstance(told[-2], StepOutput)
    assert told[-2].output == Typed(text="undo 1")
    assert isinstance(told[-1], Ended)


def test_a_run_starts_with_an_empty_memo(context: Context, runner: FakeRunner) -> None:
    context.memo["left over"] = 1
    runner_of(context, runner).run(scenario(step(do=(Observe("new", lambda _: 2),))))

    assert context.memo == {"new": 2}


def test_secrets_do_not_reach_the_result(context: Context, runner: FakeRunner) -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    runner.answers["print"] = f"token {token}\n"
    told = check(
        look=lambda _: Observation(
            holds=True, seen="ok", evidence=(replace(SEEN, text=f"token {token}", data={"a": [token]}),)
        )
    )
    events: list[Event] = []
    whole = runner_of(context, runner, sink=events.append)
    whole.steps.folder = EvidenceFolder()
    run = whole.run(scenario(step(do=(Command("print it"),), checks=(told,))))

    assert token not in repr(run)
    assert token not in repr(events)
