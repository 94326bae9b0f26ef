"""A player is a stage: its state, events, panels and consoles are those of the moment, forwards and after a jump."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.scenario.presenter import Wish
from lab.stage.broker import StageEvent
from lab.stage.parts import Declined, Stage
from lab.stage.recording.clock import PlayClock
from lab.stage.recording.player import Player
from lab.stage.recording.reader import read
from lab.stage.recording.tape import Tape
from tests.unit.stage.recording.kit import STEPS, Tick, presentation

PAGE = "http://127.0.0.1:7465/replay/page/?view=stage"


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    return read(presentation(tmp_path_factory.mktemp("runs") / "run"))


@dataclass
class Watcher:
    """A player whose clock the test moves, and everything that it publishes."""

    player: Player
    clock: Tick
    events: list[StageEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.player.clock.now = self.clock
        self.player.broker.listen(self.events.append)

    def at(self, s: float) -> list[tuple[str, Any]]:
        """Let the time pass, and return what was published meanwhile."""
        self.events.clear()
        self.clock.s = s
        self.player.advance()
        return [(event.name, event.data) for event in self.events]


@pytest.fixture
def watcher(tape: Tape) -> Watcher:
    return Watcher(Player(tape=tape, page_url=PAGE), Tick())


@dataclass
class Screen:
    """A browser that shows a console."""

    text: str = ""
    size: tuple[int, int] = (0, 0)
    over: bool = False

    def sized(self, cols: int, rows: int) -> None:
        self.size = (cols, rows)

    def receive(self, data: bytes) -> None:
        self.text = (self.text + data.decode()).rpartition("\x1bc")[2]

    def ended(self) -> None:
        self.over = True


def test_it_is_a_stage(watcher: Watcher) -> None:
    stage: Stage = watcher.player
    assert stage.state()["mode"] == "replay"


def test_the_state_is_that_of_the_moment_and_marked_as_a_replay(watcher: Watcher) -> None:
    state = watcher.player.state()
    assert (state["mode"], state["current"], state["page"]) == ("replay", STEPS[0], {"url": PAGE})
    replay = state["replay"]
    assert (replay["run"], replay["at_s"], replay["length_s"], replay["playing"]) == ("run", 0.0, 20.0, False)
    assert state["disabled"]["go"] == "this is a replay: it only shows what was"
    assert state["faults"][0]["disabled"] == "this is a replay: it only shows what was"
    assert state["audience"] is None


def test_what_happened_is_published_when_its_time_comes(watcher: Watcher) -> None:
    watcher.player.control("play")
    assert [name for name, _ in watcher.at(2.9)] == []
    published = watcher.at(3.5)
    assert [name for name, _ in published] == ["state", "output"]
    assert published[0][1]["running"]["step"] == STEPS[0]
    assert [name for name, _ in watcher.at(6.0)] == ["state", "mark", "panel"]
    assert watcher.player.state()["current"] == STEPS[1]
    assert [one["name"] for one in watcher.player.panels()[0]["pods"]] == ["podinfo-1", "podinfo-2"]


def test_a_step_that_runs_began_as_long_ago_as_in_the_recording(watcher: Watcher) -> None:
    watcher.player.control("seek", at_s=4.5)
    began = watcher.player.tape.manifest.began_at
    running = watcher.player.state()["running"]
    assert time.time() - running["since"] == pytest.approx(began + 3.0 - 3.0 + 1.5, abs=5), (
        "since is 3 in the recording"
    )
    assert watcher.player.state()["clock"]["elapsed_s"] == 1.5


def test_a_jump_shows_the_whole_state_of_another_time(watcher: Watcher) -> None:
    watcher.player.control("seek", at_s=16.0)
    assert [event.name for event in watcher.events] == ["state", "panel"]
    assert watcher.player.state()["current"] == STEPS[2]
    watcher.player.control("seek", at_s=1.0)
    assert watcher.player.state()["current"] == STEPS[0]
    assert [one["name"] for one in watcher.player.panels()[0]["pods"]] == ["podinfo-1"]
    watcher.player.control("seek", at_s=1e6)
    assert watcher.player.state()["replay"]["at_s"] == 20.0
    watcher.player.control("seek", at_s=-5)
    assert watcher.player.state()["replay"]["at_s"] == 0.0


@pytest.mark.parametrize("at_s", [0.0, 2.0, 3.0, 5.0, 9.0, 20.0])
def test_a_jump_and_playing_until_then_lead_to_the_same(tape: Tape, at_s: float) -> None:
    played, jumped = (Watcher(Player(tape=tape, page_url=PAGE), Tick()) for _ in range(2))
    screens = {}
    for name, watcher in (("played", played), ("jumped", jumped)):
        for console in ("east", "west"):
            screen = screens[name, console] = Screen()
            screen.receive(watcher.player.console(console).attach(screen))
    played.player.control("play")
    for tick in range(round(at_s * 10) + 1):
        played.at(tick / 10)
    jumped.player.control("seek", at_s=18.0)
    jumped.player.control("seek", at_s=at_s)
    played.player.control("pause")
    assert {**played.player.state(), "replay": 0, "clock": 0, "running": 0} == {
        **jumped.player.state(),
        "replay": 0,
        "clock": 0,
        "running": 0,
    }
    assert played.player.panels() == jumped.player.panels()
    for console in ("east", "west"):
        assert screens["played", console].text == screens["jumped", console].text
        assert played.player.console(console).size == jumped.player.console(console).size


def test_consoles_show_what_they_showed_with_the_size_that_they_had(watcher: Watcher) -> None:
    east = watcher.player.console("east")
    screen = Screen()
    screen.receive(east.attach(screen))
    assert screen.text == "\x1b[32meast$\x1b[0m "
    watcher.player.control("play")
    watcher.at(5.0)
    assert screen.text.endswith("kubectl get svc\r\nNAME   TYPE — ✓\r\npodinfo ClusterIP\r\neast$ ")
    assert (east.size, watcher.player.console("west").size) == ((80, 24), (100, 30))
    assert screen.size == (80, 24)
    watcher.at(9.0)
    assert east.size == screen.size == (100, 30)
    east.input(screen, "rm -rf /\r")
    east.resize(screen, 10, 10)
    assert (east.size, "rm" in screen.text) == ((100, 30), False)
    east.detach(screen)
    watcher.player.close()
    assert screen.over is False
    with pytest.raises(KeyError):
        watcher.player.console("north")


def test_a_browser_that_comes_later_gets_what_was_shown_and_no_more_than_that(watcher: Watcher) -> None:
    watcher.player.control("seek", at_s=6.0)
    screen = Screen()
    screen.receive(watcher.player.console("east").attach(screen))
    assert "podinfo ClusterIP" in screen.text
    watcher.player.close()
    assert screen.over


def test_a_jump_knows_what_was_told_since_the_last_state(watcher: Watcher) -> None:
    watcher.player.control("seek", at_s=16.0)
    state = watcher.player.state()
    assert [mark["text"] for mark in state["marks"]] == ["look here"]
    assert [note["text"] for note in state["notes"]] == ["a note"]
    assert {one["name"]: one["busy"] for one in state["consoles"]} == {"west": False, "west-2": True, "east": True}
    watcher.player.control("seek", at_s=6.0)
    assert [mark["text"] for mark in watcher.player.state()["marks"]] == ["export"], "the state has it already"
    watcher.player.control("seek", at_s=18.0)
    assert {one["name"] for one in watcher.player.state()["consoles"]} == {"west", "east"}


def test_a_console_that_was_not_recorded_is_not_shown(tmp_path: Path) -> None:
    folder = presentation(tmp_path / "run")
    (folder / "consoles" / "west-2.cast").unlink()
    watcher = Watcher(Player(tape=read(folder), page_url=PAGE), Tick())
    watcher.player.control("play")
    published = [data["name"] for name, data in watcher.at(18.0) if name == "console"]
    assert published == ["east"]
    watcher.player.control("seek", at_s=16.0)
    assert [one["name"] for one in watcher.player.state()["consoles"]] == ["west", "east"]


def test_it_stops_at_the_end_and_begins_again(watcher: Watcher) -> None:
    watcher.player.control("play", speed=4)
    watcher.at(5.1)
    replay = watcher.player.state()["replay"]
    assert (replay["at_s"], replay["playing"], replay["speed"]) == (20.0, False, 4)
    watcher.player.control("play")
    assert (watcher.player.state()["replay"]["at_s"], watcher.player.state()["current"]) == (0.0, STEPS[0])


def test_a_pause_stands_still(watcher: Watcher) -> None:
    watcher.player.control("play")
    watcher.at(2.0)
    watcher.player.control("pause")
    assert watcher.at(500.0) == []
    assert watcher.player.state()["replay"]["at_s"] == 2.0


def test_nothing_can_be_done_in_a_replay(watcher: Watcher) -> None:
    player = watcher.player
    for request in (
        lambda: player.wish(Wish.GO, at=STEPS[0]),
        lambda: player.check_until_green(at=None),
        player.interrupt,
        lambda: player.fault("kill-podinfo-east", undo=False),
        lambda: player.mark("now"),
    ):
        with pytest.raises(Declined, match="this is a replay"):
            request()


def test_a_jump_to_a_step_or_an_act_is_a_jump_in_time(watcher: Watcher) -> None:
    watcher.player.jump(STEPS[1])
    assert watcher.player.state()["replay"]["at_s"] == 5.0
    watcher.player.jump(3)
    assert watcher.player.state()["replay"]["at_s"] == 15.0
    for missing in ("no/step", 7):
        with pytest.raises(Declined, match="does not have this step"):
            watcher.player.jump(missing)


@pytest.mark.parametrize(("action", "at_s"), [("stop", None), ("seek", None), ("Play", 1.0)])
def test_other_controls_are_refused(watcher: Watcher, action: str, at_s: float | None) -> None:
    with pytest.raises(ValueError, match=action):
        watcher.player.control(action, at_s=at_s)


@pytest.fixture
def running(tape: Tape) -> Iterator[Player]:
    player = Player(tape=tape, page_url=PAGE)
    player.start()
    yield player
    player.close()


def test_its_own_thread_plays(running: Player) -> None:
    running.control("speed", speed=16)
    screen = Screen()
    screen.receive(running.console("east").attach(screen))
    while "podinfo ClusterIP" not in screen.text:
        assert running.state()["replay"]["at_s"] <= 20.0
    while running.clock.moment.playing:
        pass
    assert running.clock.moment.at_s == 20.0


def test_a_clock_keeps_its_bounds() -> None:
    now = Tick()
    clock = PlayClock(length_s=10.0, now=now)
    clock.change_speed(1e9)
    assert clock.moment.speed == 16.0
    clock.change_speed(0)
    assert clock.moment.speed == 0.25
    clock.play()
    now.s = 4.0
    assert clock.moment.at_s == 1.0
    clock.change_speed(2)
    now.s = 5.0
    assert clock.moment.at_s == 3.0
