"""`lab walk`: keys as requests, and the terminal as a view."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lab.base.errors import LabError
from lab.present.screen import Screen
from lab.present.walk import rehearse, walk
from lab.scenario.context import Context
from lab.scenario.model import Scenario
from lab.scenario.observation import Outcome
from lab.scenario.position import Position
from lab.scenario.presenter import Presenter, Snapshot
from tests.unit.scenarios.kit import FakeRunner, check, look, scenario, step, steps_of, typed


def demo() -> Scenario:
    return scenario(
        step("one", do=typed("echo one"), undo=typed("undo one"), verb="lab one"),
        step("two", do=typed("echo two"), undo=typed("undo two"), checks=(check(),)),
    )


class Terminal:
    """A screen on a text buffer; `is_terminal` makes it type."""

    def __init__(self, *, is_terminal: bool = False, typed_out: bool = True) -> None:
        self.buffer = io.StringIO()
        self.pauses: list[float] = []
        console = Console(file=self.buffer, force_terminal=is_terminal, width=100, no_color=True)
        self.screen = Screen(console, typed=typed_out, pause=self.pauses.append)

    @property
    def text(self) -> str:
        return self.buffer.getvalue()


def keys(pressed: str) -> Callable[[], str]:
    left = iter(pressed.split())
    return lambda: next(left)


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def presenter(context: Context, runner: FakeRunner) -> Presenter:
    return Presenter(scenarios=(demo(),), steps=steps_of(context, runner))


@pytest.mark.parametrize("go", ["enter", "space", "right", "n"])
def test_one_key_presents_everything(presenter: Presenter, terminal: Terminal, runner: FakeRunner, go: str) -> None:
    assert walk(presenter, terminal.screen, keys(" ".join([go] * 7))) is True
    assert runner.lines == ["echo one", "echo two", "undo two", "undo one"]


@pytest.mark.parametrize(
    ("pressed", "ran"),
    [
        ("enter r", ["echo one", "undo one", "echo one"]),
        ("enter u", ["echo one", "undo one"]),
        ("enter enter enter b b", ["echo one", "echo two", "undo two", "undo one"]),
        ("enter enter left", ["echo one", "undo one"]),
        ("s enter", ["echo two"]),
        ("c", []),
        ("x escape 7", []),
    ],
)
def test_keys_are_requests(
    presenter: Presenter, terminal: Terminal, runner: FakeRunner, pressed: str, ran: list[str]
) -> None:
    assert walk(presenter, terminal.screen, keys(f"{pressed} q")) is False
    assert runner.lines == ran


def test_quitting_undoes_nothing_and_says_how_to_continue(
    context: Context, runner: FakeRunner, terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "walk.json"
    first = Presenter(scenarios=(demo(),), steps=steps_of(context, runner), position=Position.read(file))
    assert walk(first, terminal.screen, keys("enter enter q")) is False
    assert runner.lines == ["echo one"]
    assert "`lab walk` continues here; `lab reset` undoes the changes" in terminal.text

    again = Presenter(scenarios=(demo(),), steps=steps_of(context, runner), position=Position.read(file))
    later = Terminal()
    assert walk(again, later.screen, keys("enter enter enter enter enter")) is True
    assert "2 of 3: Two" in later.text
    assert "1 of 3" not in later.text
    assert runner.lines == ["echo one", "echo two", "undo two", "undo one"]
    assert not file.exists()


def test_a_fresh_walk_undoes_what_the_last_one_left_and_begins_at_the_first_step(
    context: Context, runner: FakeRunner, tmp_path: Path
) -> None:
    file = tmp_path / "walk.json"
    first = Presenter(scenarios=(demo(),), steps=steps_of(context, runner), position=Position.read(file))
    walk(first, Terminal().screen, keys("enter enter enter q"))
    again = Presenter(scenarios=(demo(),), steps=steps_of(context, runner), position=Position.read(file))
    later = Terminal()
    assert walk(again, later.screen, keys("q"), fresh=True) is False
    assert runner.lines == ["echo one", "echo two", "undo two", "undo one"]
    assert later.text.rindex("1 of 3: One") > later.text.rindex("undo one")
    left = Position.read(file)
    assert (left.at, left.begun, left.done) == ("demo/one", [], [])


def test_a_note_is_still_there_when_the_next_step_has_cleared_the_screen(context: Context, runner: FakeRunner) -> None:
    presenter = Presenter(scenarios=(demo(), replace(demo(), name="next")), steps=steps_of(context, runner))
    runner.answers = {"undo two": LabError("two is stuck"), **runner.answers}
    terminal = Terminal(is_terminal=True)
    walk(presenter, terminal.screen, keys("enter " * 7 + "q"))
    assert "two could not be undone: two is stuck" in terminal.text.rpartition("\x1b[2J")[2]


def test_ctrl_c_while_a_step_runs_says_what_has_to_be_undone(
    presenter: Presenter, terminal: Terminal, runner: FakeRunner
) -> None:
    runner.answers = {"echo two": KeyboardInterrupt(), **runner.answers}
    with pytest.raises(KeyboardInterrupt):
        walk(presenter, terminal.screen, keys("enter enter enter"))
    assert runner.lines == ["echo one", "echo two"]
    said = terminal.text
    assert "interrupted at demo/two; steps done: demo/one; steps to undo: demo/one, demo/two" in said
    assert "`lab walk` continues here" in said


def test_ctrl_c_while_a_key_is_awaited_ends_the_walk(presenter: Presenter, terminal: Terminal) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        walk(presenter, terminal.screen, interrupted)
    assert "steps done: none; steps to undo: none" in terminal.text


def test_a_rehearsal_needs_no_keys_and_undoes_everything(
    presenter: Presenter, terminal: Terminal, runner: FakeRunner
) -> None:
    rehearse(presenter, terminal.screen)
    assert presenter.outcomes == {Outcome.PASSED}
    assert runner.lines == ["echo one", "echo two", "undo two", "undo one"]


def test_a_rehearsal_undoes_the_step_that_was_interrupted(
    presenter: Presenter, terminal: Terminal, runner: FakeRunner
) -> None:
    runner.answers = {"echo two": KeyboardInterrupt(), **runner.answers}
    with pytest.raises(KeyboardInterrupt):
        rehearse(presenter, terminal.screen)
    assert runner.lines == ["echo one", "echo two", "undo two", "undo one"]
    assert "undoing them; press Ctrl-C again to stop at once" in terminal.text


def test_a_rehearsal_that_breaks_is_undone(presenter: Presenter, terminal: Terminal, runner: FakeRunner) -> None:
    class Broken(Screen):
        def closing(self, scenario: Scenario) -> None:
            raise OSError(f"the terminal of {scenario.name} is gone")

    with pytest.raises(OSError, match="gone"):
        rehearse(presenter, Broken(Console(file=io.StringIO())))
    assert runner.lines[-2:] == ["undo two", "undo one"]


# The screen


def test_a_step_shows_its_narration_its_commands_and_the_labs_equivalent(
    presenter: Presenter, terminal: Terminal
) -> None:
    presenter.attach(terminal.screen)
    for shown in ("A demo, 1 of 3: One", "Now one.", "$ echo one", "with the lab: lab one"):
        assert shown in terminal.text


def test_a_step_that_did_not_change_is_not_shown_twice(presenter: Presenter, terminal: Terminal) -> None:
    presenter.attach(terminal.screen)
    terminal.screen.state(Snapshot(current=presenter.current, steps=presenter.snapshot.steps))
    assert terminal.text.count("Now one.") == 1


def test_a_step_shows_what_is_typed_what_is_printed_and_what_was_seen(presenter: Presenter, terminal: Terminal) -> None:
    walk(presenter, terminal.screen, keys("s enter q"))
    for shown in ("$ echo two", "  hello", "✓ works, it does", "as it should be"):
        assert shown in terminal.text


def test_an_error_shows_its_reason(presenter: Presenter, terminal: Terminal, runner: FakeRunner) -> None:
    runner.answers = {"echo one": LabError("the API server is gone", where="east"), **runner.answers}
    walk(presenter, terminal.screen, keys("enter q"))
    assert "! east: the API server is gone" in terminal.text


def test_a_failed_check_shows_its_claim_and_what_was_seen(
    context: Context, runner: FakeRunner, terminal: Terminal
) -> None:
    wrong = scenario(step("one", do=typed("echo"), checks=(check(look=look(holds=False, seen="2 of 3")),)))
    walk(Presenter(scenarios=(wrong,), steps=steps_of(context, runner)), terminal.screen, keys("enter q"))
    assert "✗ works, it does" in terminal.text
    assert "2 of 3" in terminal.text


def test_the_end_shows_the_summary_and_what_to_try(presenter: Presenter, terminal: Terminal) -> None:
    walk(presenter, terminal.screen, keys("s s s q"))
    assert "It worked." in terminal.text
    assert "• Do it again." in terminal.text


@pytest.mark.parametrize(
    ("is_terminal", "typed_out", "types"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_commands_are_typed_letter_by_letter_on_a_terminal(
    presenter: Presenter, *, is_terminal: bool, typed_out: bool, types: bool
) -> None:
    shown = Terminal(is_terminal=is_terminal, typed_out=typed_out)
    walk(presenter, shown.screen, keys("enter q"))
    assert bool(shown.pauses) is types
    assert sum(shown.pauses) <= 2.6
