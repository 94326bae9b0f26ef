"""A real shell's console, recorded and replayed."""

from __future__ import annotations

from pathlib import Path

from lab.stage.recording.player import Player
from lab.stage.recording.reader import read
from tests.unit.stage.recording.kit import Recording, state
from tests.unit.stage.shells import Browser, console_of, lines_of


def test_a_shell_is_replayed_as_it_was_seen(tmp_path: Path) -> None:
    made, live = Recording(tmp_path / "run"), Browser()
    made.recorder.event("state", state())
    with console_of(tmp_path, "bash", shown=made.recorder.console, resized=made.recorder.console_size) as console:
        live.shown += console.attach(live)
        console.resize(live, 90, 25)
        command = console.type("echo seen-$((40 + 2)); stty size", lambda _: None, pause=lambda: made.at(1.0))
        assert command is not None
        assert command.ended.wait(60)
        made.at(5.0).console_size("west", 70, 20)
        live.see("seen-42")
    made.recorder.close()
    replayed = Browser()
    player = Player(tape=read(made.folder), page_url="")
    player.control("seek", at_s=5.0)
    west = player.console("west")
    replayed.shown += west.attach(replayed)
    assert "seen-42" in lines_of(replayed.shown)
    assert "25 90" in lines_of(replayed.shown)
    assert west.size == (70, 20)
    player.control("seek", at_s=0.5)
    assert west.size in {(90, 25), (100, 30)}
    assert b"seen-42" not in replayed.shown.rpartition(b"\x1bc")[2]
