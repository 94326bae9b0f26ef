"""The live stage, without a browser: requests, what all browsers are told, and the state."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.base import wait
from lab.base.errors import LabError
from lab.base.names import Json
from lab.mesh.capabilities import Capability
from lab.scenario.actions import Observe
from lab.scenario.context import Context
from lab.scenario.model import Scenario
from lab.scenario.page_marks import PageMarks
from lab.scenario.position import Position
from lab.scenario.presenter import Presenter, Wish
from lab.stage.broker import StageEvent
from lab.stage.consoles import Consoles
from lab.stage.live import LiveStage
from lab.stage.parts import Declined, Fault
from lab.stage.run import left_to_undo
from lab.stage.state import StageFacts
from tests.unit.scenarios.kit import FakeRunner, check, lab_of, look, looks, scenario, step, steps_of, typed


class Marks(PageMarks):
    """Keeps marks in place of sending them."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.sent: list[tuple[str, str, bool]] = []

    def start(self) -> None:
        pass

    def send(self, text: str, kind: str, *, intended: bool) -> None:
        self.sent.append((text, kind, intended))


class FakeFaults:
    """Two faults; the second one is disabled."""

    def __init__(self) -> None:
        self.active: set[str] = set()
        self.did: list[str] = []
        self.nudged = 0
        self.error: Exception | None = None

    def start(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    def nudge(self) -> None:
        self.nudged += 1

    def close(self) -> None:
        self.did.append("closed")

    def list(self) -> Sequence[Fault]:
        return [
            Fault(id="kill", title="Kill podinfo", effect="…", undo_title="Start it", active="kill" in self.active),
            Fault(id="cut", title="Cut the link", effect="…", undo_title="Join it", disabled="west is stopped"),
        ]

    def inject(self, fault_id: str) -> None:
        if self.error is not None:
            raise self.error
        self.did.append(f"inject {fault_id}")
        self.active.add(fault_id)

    def undo(self, fault_id: str) -> None:
        self.did.append(f"undo {fault_id}")
        self.active.remove(fault_id)


class FakePanels:
    def __init__(self) -> None:
        self.publish: Callable[[Json], None] = lambda _: None

    def start(self, publish: Callable[[Json], None]) -> None:
        self.publish = publish

    def latest(self) -> Sequence[Json]:
        return [{"cluster": "east", "reachable": True}]

    def close(self) -> None:
        pass


class Shown:
    """A stage, and everything that browsers were told."""

    def __init__(self, stage: LiveStage) -> None:
        self.stage = stage
        self.events: list[StageEvent] = []
        stage.broker.listen(self.events.append)

    def named(self, name: str) -> list[Json]:
        return [event.data for event in self.events if event.name == name]

    @property
    def notes(self) -> list[str]:
        return [note["text"] for note in self.named("note")]

    def wish(self, *wishes: Wish) -> None:
        """Make requests, each when the one before is done."""
        for wish in wishes:
            self.stage.wish(wish, at=self.at)
            self.idle()

    @property
    def at(self) -> str | None:
        current = self.stage.presenter.current
        return current.id if current else None

    def idle(self) -> None:
        conductor = self.stage.conductor
        wait.until("idle", lambda: conductor.work is None or wait.NotYet("busy"), timeout_s=20, interval_s=0.005)

    def step(self, number: int = 0) -> Json:
        return self.stage.state()["steps"][number]


@contextmanager
def shown_of(
    context: Context, runner: FakeRunner, *scenarios: Scenario, position: Position | None = None, **options: Any
) -> Iterator[Shown]:
    presenter = Presenter(scenarios=scenarios, steps=steps_of(context, runner), position=position or Position())
    stage = LiveStage(
        facts=StageFacts.of(lab_of(), stack="istio", stack_title="Istio on both sides", mode="live"),
        presenter=presenter,
        consoles=Consoles(shells={}),
        page=Marks(),
        faults=options.pop("faults", None) or FakeFaults(),
        panels_of=options.pop("panels", None) or FakePanels(),
        check_again_s=0.001,
        **options,
    )
    shown = Shown(stage)
    stage.open()
    try:
        yield shown
    finally:
        stage.close()


def demo(name: str = "demo", act: str = "Profit", **of_two: Any) -> Scenario:
    two = {"do": typed("echo two"), "undo": typed("undo two"), "checks": (check("two_works"),)}
    return scenario(
        step("one", do=typed("echo one"), undo=typed("undo one"), checks=(check("one_works", command="curl x"),)),
        step("two", **{**two, **of_two}),
        name=name,
        act=act,
    )


@pytest.fixture
def shown(context: Context, runner: FakeRunner) -> Iterator[Shown]:
    with shown_of(context, runner, demo()) as made:
        yield made


def test_a_step_runs_and_every_browser_is_told(shown: Shown, runner: FakeRunner) -> None:
    shown.wish(Wish.GO)
    assert runner.lines == ["echo one"]
    states = [(state["running"] or {}).get("wish") for state in shown.named("state")]
    assert states[0] is None
    assert "go" in states
    assert states[-1] is None
    assert [step["state"] for step in [state["steps"][0] for state in shown.named("state")]][-1] == "done"
    assert shown.named("output") == [
        {"step": "demo/one", "kind": "typed", "text": "echo one", "console": None},
        {"step": "demo/one", "kind": "printed", "text": "hello", "console": None},
    ]
    found = shown.step()
    assert (found["checks"], found["hint"]) == ("green", "")
    assert found["results"] == [
        {
            "claim": "one_works, it does",
            "expected": "yes",
            "observed": "as it should be",
            "outcome": "passed",
            "reason": "",
            "command": "curl x",
        }
    ]


def test_the_state_is_plain_json_with_everything_that_a_screen_needs(shown: Shown) -> None:
    state = json.loads(json.dumps(shown.stage.state()))
    assert state["schema"] == "stage/state/v1"
    assert state["mode"] == "live"
    assert state["lab"] == {"name": "eastwest", "stack": "istio", "title": "Istio on both sides"}
    assert [(one["name"], one["role"], one["console"], one["reachable"]) for one in state["clusters"]] == [
        ("east", "east", "east", True),
        ("west", "west", "west", True),
    ]
    assert [act["title"] for act in state["acts"]][-1] == "Profit"
    assert state["acts"][3]["scenarios"] == ["demo"]
    assert state["scenarios"][0]["topology"]["nodes"][0]["cluster"] == "west"
    assert state["current"] == "demo/one"
    assert state["steps"][0]["script"] == "echo one"
    assert state["steps"][0]["undo_script"] == "undo one"
    assert (state["steps"][0]["number"], state["steps"][0]["count"]) == (1, 3)
    unknown = {"rehearsed_s": None, "due_s": None, "left_s": None}
    assert state["clock"] == {"started": None, "elapsed_s": 0.0, **unknown}
    assert state["faults"][0]["id"] == "kill"
    assert len(json.dumps(state)) < 10_000


def test_a_late_click_does_nothing(shown: Shown, runner: FakeRunner) -> None:
    turn = shown.stage.state()["turn"]
    shown.stage.wish(Wish.GO, at="demo/one", turn=turn)
    shown.idle()
    with pytest.raises(Declined, match="has moved"):
        shown.stage.wish(Wish.GO, at="demo/one", turn=turn)  # the second click of a double click
    shown.wish(Wish.GO)
    with pytest.raises(Declined, match="moved to demo/two"):
        shown.stage.wish(Wish.GO, at="demo/one")
    assert runner.lines == ["echo one"]


def test_a_request_while_a_step_runs_is_declined_and_the_step_can_be_interrupted(
    context: Context, runner: FakeRunner
) -> None:
    began = threading.Event()

    def endless(_: Context) -> Json:
        began.set()
        wait.until("the end of time", lambda: wait.NotYet("no"), timeout_s=60, interval_s=0.005)

    whole = scenario(step("one", do=(Observe("x", endless),), undo=typed("undo one"), checks=(check(),)))
    with shown_of(context, runner, whole) as shown:
        shown.stage.wish(Wish.GO, at="demo/one")
        assert began.wait(20)
        running = shown.stage.state()
        assert running["running"]["wish"] == "go"
        assert running["running"]["step"] == "demo/one"
        assert running["disabled"]["go"] == "a step runs; interrupt it first"
        assert running["disabled"]["interrupt"] is None
        for wish in Wish:
            with pytest.raises(Declined, match="a step runs"):
                shown.stage.wish(wish, at="demo/one")
        with pytest.raises(Declined):
            shown.stage.jump("demo/last")
        shown.stage.interrupt()
        shown.idle()
        assert shown.step()["state"] == "failed"
        assert shown.step()["hint"] == "Undo the step and run it again."
        assert "Interrupted" in shown.notes[-1]
        shown.wish(Wish.UNDO)
        assert (runner.lines, shown.step()["state"]) == (["undo one"], "idle")


def test_what_a_step_waits_for_is_in_the_state(context: Context, runner: FakeRunner) -> None:
    def slow(_: Context) -> Json:
        wait.rest("the proxy forgets", 0.001)
        seen.append(shown.stage.state()["running"]["waiting"])

    seen: list[str] = []
    with shown_of(context, runner, scenario(step("one", do=(Observe("x", slow),)))) as shown:
        shown.wish(Wish.GO)
    assert seen == ["the proxy forgets"]


def test_a_disabled_button_says_why(shown: Shown) -> None:
    def reasons() -> Json:
        return shown.stage.state()["disabled"]

    assert reasons() == {
        "go": None,
        "repeat": "the step has not run yet; run it",
        "check": None,
        "skip": None,
        "back": "this is the first step",
        "undo": "there is nothing to undo; run the step first",
        "check-until-green": None,
        "jump": None,
        "interrupt": "nothing runs",
    }
    with pytest.raises(Declined, match="nothing to undo"):
        shown.stage.wish(Wish.UNDO, at="demo/one")
    shown.wish(Wish.GO)
    assert {name for name, reason in reasons().items() if reason} == {"interrupt"}
    shown.wish(*[Wish.GO] * 5)
    assert shown.stage.state()["closing"] == "demo"
    assert "these steps are over" in reasons()["skip"]
    shown.wish(Wish.GO)
    assert (shown.at, shown.stage.state()["closing"]) == (None, None)
    assert {name for name, reason in reasons().items() if reason is None} == {"jump"}
    shown.stage.jump(4)
    shown.idle()
    assert shown.at == "demo/one"


def test_the_state_says_what_one_key_does_and_has_no_result_of_what_was_undone(shown: Shown) -> None:
    def seen() -> tuple[str, int]:
        return shown.stage.state()["go"], len(shown.step()["results"])

    assert seen() == ("run", 0)
    shown.wish(Wish.GO)
    assert seen() == ("next", 1)
    shown.wish(Wish.UNDO)
    assert seen() == ("run", 0)
    shown.wish(Wish.CHECK)
    assert seen() == ("run", 1)


def test_the_summary_ends_with_a_step_back(shown: Shown, runner: FakeRunner) -> None:
    shown.wish(*[Wish.SKIP] * 3)
    assert shown.stage.state()["closing"] == "demo"
    shown.wish(Wish.BACK)
    assert (shown.at, shown.stage.state()["closing"]) == ("demo/two", None)
    assert runner.lines == []


def test_a_scenario_that_the_stack_cannot_show_is_marked_and_left_by_back_and_go(
    context: Context, runner: FakeRunner
) -> None:
    cannot = scenario(step("one", do=typed("echo")), requires=frozenset({Capability.SPLIT_SMI}), name="smi")
    with shown_of(context, runner, demo("first"), cannot) as shown:
        shown.stage.jump("smi/one")
        shown.idle()
        state = shown.stage.state()
        assert "TrafficSplit" in state["scenarios"][1]["skipped"]
        assert "left out" in state["disabled"]["check"]
        shown.wish(Wish.BACK)
        assert shown.at == "first/last"


# Check until green


def test_the_check_repeats_until_it_is_green(context: Context, runner: FakeRunner) -> None:
    whole = scenario(step("one", do=typed("echo"), checks=(check(look=looks(False, False, True)),)))
    with shown_of(context, runner, whole) as shown:
        shown.stage.check_until_green(at="demo/one")
        shown.idle()
        assert shown.step()["checks"] == "green"
        assert runner.lines == []
        hints = [state["steps"][0]["hint"] for state in shown.named("state")]
        assert "This step has not run: run it, and the check turns green." in hints


def test_a_check_that_stays_red_repeats_until_it_is_interrupted(context: Context, runner: FakeRunner) -> None:
    looked = threading.Semaphore(0)

    def never(_: Context) -> Any:
        looked.release()
        return look(holds=False, seen="0 of 1")(context)

    whole = scenario(step("one", do=typed("echo"), checks=(check(look=never),)))
    with shown_of(context, runner, whole) as shown:
        shown.wish(Wish.GO)
        shown.stage.check_until_green(at="demo/one")
        for _ in range(4):
            assert looked.acquire(timeout=20)
        shown.stage.interrupt()
        shown.idle()
        assert shown.step()["hint"] == "Check again, or repeat the step."


def test_a_check_that_needs_the_step_to_run_ends_with_a_note(context: Context, runner: FakeRunner) -> None:
    def needs(here: Context) -> Any:
        return here.recall("seconds")

    whole = scenario(step("one", do=typed("echo"), checks=(check(look=needs),)))
    with shown_of(context, runner, whole) as shown:
        shown.stage.check_until_green(at="demo/one")
        shown.idle()
        assert "cannot be checked" in shown.notes[-1]


# Jumps


def test_a_jump_undoes_what_has_begun_behind_it(context: Context, runner: FakeRunner) -> None:
    with shown_of(context, runner, demo("first", "Request Routing"), demo("second")) as shown:
        shown.wish(Wish.GO, Wish.GO, Wish.GO)
        shown.stage.jump("first/two")
        shown.idle()
        assert (shown.at, runner.lines) == ("first/two", ["echo one", "echo two", "undo two"])
        shown.stage.jump(4)
        shown.idle()
        assert (shown.at, runner.lines[3:]) == ("second/one", ["undo one"])
        shown.stage.jump(3)
        shown.idle()
        assert (shown.at, len(runner.lines)) == ("first/one", 4)


@pytest.mark.parametrize("to", ["demo/three", "", 9, 0, 1])
def test_a_jump_to_nowhere_is_declined(shown: Shown, to: str | int) -> None:
    with pytest.raises(Declined, match="this presentation has no"):
        shown.stage.jump(to)


# Faults, panels, marks


def test_a_fault_is_injected_and_undone_and_marked(shown: Shown) -> None:
    faults = shown.stage.faults
    assert isinstance(faults, FakeFaults)
    shown.stage.fault("kill", undo=False)
    shown.idle()
    assert shown.stage.state()["faults"][0]["active"] is True
    assert left_to_undo(shown.stage.presenter, faults.list()) == (
        "faults in place: Kill podinfo; the menu of `lab stage` or `lab reset` undoes them"
    )
    with pytest.raises(Declined, match="it is in place already"):
        shown.stage.fault("kill", undo=False)
    shown.stage.fault("kill", undo=True)
    shown.idle()
    assert faults.did == ["inject kill", "undo kill"]
    assert left_to_undo(shown.stage.presenter, faults.list()) == "nothing is left to undo"
    assert [(mark["text"], mark["kind"], mark["intended"]) for mark in shown.named("mark")] == [
        ("Kill podinfo", "fault", True),
        ("Start it", "fault", True),
    ]
    with pytest.raises(Declined, match="it is not in place"):
        shown.stage.fault("kill", undo=True)
    with pytest.raises(Declined, match="west is stopped"):
        shown.stage.fault("cut", undo=False)
    with pytest.raises(KeyError):
        shown.stage.fault("nope", undo=False)


def test_a_fault_that_fails_is_noted(shown: Shown) -> None:
    faults = shown.stage.faults
    assert isinstance(faults, FakeFaults)
    faults.error = LabError("no answer", where="east")
    shown.stage.fault("kill", undo=False)
    shown.idle()
    assert shown.notes == ["east: no answer"]


def test_steps_and_commands_and_a_person_set_marks_here_and_on_the_page(shown: Shown) -> None:
    shown.wish(Wish.GO)
    shown.stage.mark("a question")
    marks = [("One", "step", True), ("echo one", "command", True), ("a question", "note", False)]
    assert isinstance(shown.stage.page, Marks)
    assert shown.stage.page.sent == marks
    assert [(one["text"], one["kind"], one["intended"]) for one in shown.stage.state()["marks"]] == marks


def test_notes_and_marks_are_bounded_and_without_secrets(shown: Shown) -> None:
    for number in range(300):
        shown.stage.mark(f"mark {number}")
        shown.stage.note(f"note {number} Bearer abcdefghijkl")
    state = shown.stage.state()
    assert (len(state["marks"]), len(state["notes"])) == (200, 100)
    assert state["notes"][-1]["text"] == "note 299 Bearer [redacted]"


def test_a_cluster_that_does_not_answer_is_told_once(shown: Shown) -> None:
    panels = shown.stage.panels_of
    assert isinstance(panels, FakePanels)
    for reachable, problem in ((True, None), (False, "no answer"), (False, "no answer"), (True, None)):
        panels.publish({"cluster": "east", "reachable": reachable, "problem": problem})
        clusters = {one["name"]: one["reachable"] for one in shown.stage.state()["clusters"]}
        assert clusters == {"east": reachable, "west": True}
    assert shown.named("lost") == [{"cluster": "east", "words": "no answer"}]
    assert len(shown.named("panel")) == 4
    assert shown.stage.panels() == [{"cluster": "east", "reachable": True}]


# Errors, ends and beginnings


def test_a_presenter_that_fails_does_not_freeze_the_stage(
    shown: Shown, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Wish) -> None:
        raise RuntimeError("lost its place")

    with monkeypatch.context() as patched:
        patched.setattr(shown.stage.presenter, "request", broken)
        shown.wish(Wish.GO)
    assert shown.notes == ["the stage has a defect: RuntimeError: lost its place"]
    assert shown.stage.state()["running"] is None
    shown.wish(Wish.GO)
    assert runner.lines == ["echo one"]


def test_a_failed_command_has_a_hint(shown: Shown, runner: FakeRunner) -> None:
    runner.answers = {"echo one": LabError("forbidden"), **runner.answers}
    shown.wish(Wish.GO)
    found = shown.step()
    assert (found["state"], found["checks"], found["reason"]) == ("failed", "red", "forbidden")
    assert found["hint"].startswith("A command of this step failed.")


def test_another_stage_and_lab_walk_continue_where_this_one_ended(
    context: Context, runner: FakeRunner, tmp_path: Path
) -> None:
    file = tmp_path / "walk.json"
    with shown_of(context, runner, demo(), position=Position.read(file)) as shown:
        shown.wish(Wish.GO, Wish.GO)
    with shown_of(context, runner, demo(), position=Position.read(file)) as again:
        assert (again.at, again.step()["state"]) == ("demo/two", "done")
        again.stage.restart()
        again.idle()
        assert (again.at, again.step()["state"]) == ("demo/one", "idle")
    assert runner.lines == ["echo one", "undo one"]


def test_the_clock_begins_with_the_first_request_and_knows_the_rehearsal(context: Context, runner: FakeRunner) -> None:
    rehearsed = {"demo/one": 2.5, "demo/two": 4.0, "demo/last": 1.0}
    with shown_of(context, runner, demo(), rehearsed=rehearsed) as shown:
        clock = shown.stage.state()["clock"]
        assert (clock["rehearsed_s"], clock["due_s"], clock["left_s"]) == (7.5, 0.0, 7.5), "no step is over"
        assert shown.step()["rehearsed_s"] == 2.5
        shown.wish(Wish.GO)
        assert shown.stage.state()["clock"]["started"] is not None
    with shown_of(context, runner, demo(), rehearsed={"demo/one": 2.5}) as shown:
        assert shown.stage.state()["clock"]["rehearsed_s"] is None


def test_after_the_end_nothing_runs(context: Context, runner: FakeRunner) -> None:
    began = threading.Event()

    def endless(_: Context) -> Json:
        began.set()
        wait.until("the end of time", lambda: wait.NotYet("no"), timeout_s=60, interval_s=0.005)

    threads = threading.active_count()
    whole = scenario(step("one", do=(Observe("x", endless),), undo=typed("undo one")))
    with shown_of(context, runner, whole) as shown:
        shown.stage.wish(Wish.GO, at="demo/one")
        assert began.wait(20)
    assert shown.stage.presenter.position.begun == ["demo/one"]
    assert runner.lines == []
    wait.until("threads", lambda: threading.active_count() <= threads or wait.NotYet("more"), timeout_s=20)
