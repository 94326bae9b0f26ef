"""What a recorder writes, also when it is full, when the disk is, and when it is killed."""

from __future__ import annotations

import errno
import json
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.base import wait
from lab.stage.broker import Broker
from lab.stage.recording import cast, recorder, store
from lab.stage.recording.journal import GrowingFile
from lab.stage.recording.manifest import Manifest
from lab.stage.recording.reader import read
from tests.unit.stage.recording.kit import STEPS, Recording, panel, presentation, state
from tests.unit.stage.recording.test_redacting import KEY, TOKEN

CASTS = ("east.cast", "west.cast", "west-2.cast")


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def shown(folder: Path, console: str) -> str:
    _, *events = lines(folder / "consoles" / f"{console}.cast")
    return "".join(data for _, kind, data in events if kind == "o")


@pytest.fixture
def made(tmp_path: Path) -> Recording:
    return Recording(tmp_path / "run")


def until(probe: Callable[[], bool]) -> None:
    wait.until("the recorder", lambda: probe() or wait.NotYet("not yet"), timeout_s=30, interval_s=0.01)


def grown(file: Path, size: int) -> None:
    """Wait until a file is larger."""
    wait.until(
        "the file", lambda: file.stat().st_size > size or wait.NotYet("as before"), timeout_s=30, interval_s=0.01
    )


def test_every_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = presentation(tmp_path / "run")
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert {file.name for file in files} == {"stage.json", "events.jsonl", "page.jsonl", *CASTS}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_consoles_are_asciicasts_of_version_2(tmp_path: Path) -> None:
    folder = presentation(tmp_path / "run")
    header, *events = lines(folder / "consoles" / "east.cast")
    assert (header["version"], header["width"], header["height"], header["title"]) == (2, 80, 24, "east")
    assert isinstance(header["timestamp"], int)
    assert {kind for _, kind, _ in events} == {"o", "r", "m"}
    assert [data for _, kind, data in events if kind == "r"] == ["100x30"]
    assert [(at_s, data) for at_s, kind, data in events if kind == "m"] == [(3.0, STEPS[0])]
    times = [at_s for at_s, _, _ in events]
    assert times == sorted(times)
    assert "✓" in shown(folder, "east")
    assert next(at_s for at_s, _, data in events if "kubectl" in data) == 3.0


def test_bytes_of_a_character_may_come_apart(made: Recording) -> None:
    check = "✓ done\r\n".encode()
    made.at(1).console("east", check[:2])
    made.at(1.1).console("east", check[2:])
    made.at(1.2).console("east", b"\xff\r\n")
    made.recorder.close()
    assert shown(made.folder, "east") == "✓ done\r\n\ufffd\r\n"


def test_only_changes_of_the_state_are_written_and_now_and_then_the_whole(made: Recording) -> None:
    for number in range(100):
        made.at(float(number)).event("state", state(number % 3, turn=number))
    made.recorder.close()
    events = lines(made.folder / "events.jsonl")
    assert [event["t"] for event in events if "whole" in event["data"]] == [0.0, 60.0]
    assert len(events) == 100
    assert [event.data["turn"] for event in read(made.folder).events.events] == list(range(100))


def test_a_state_that_is_the_same_is_not_written_again(made: Recording) -> None:
    for second in range(5):
        made.at(float(second)).event("state", state(1))
    made.recorder.close()
    assert len(lines(made.folder / "events.jsonl")) == 1


def test_of_many_panels_at_once_the_last_one_is_written(made: Recording) -> None:
    made.recorder.event("state", state())
    for number in range(50):
        made.recorder.event("panel", panel("east", f"podinfo-{number}"))
        made.recorder.event("panel", panel("west", f"podinfo-{number}"))
    made.recorder.close()
    panels = [event.data for event in read(made.folder).events.events if event.name == "panel"]
    assert len(panels) < 20
    assert {one["cluster"]: one["pods"][0]["name"] for one in panels} == {"east": "podinfo-49", "west": "podinfo-49"}


def test_no_secret_is_in_any_file(made: Recording) -> None:
    recorder = made.at(1)
    recorder.event("state", state(notes=[{"at": 1, "text": f"Bearer {TOKEN}"}]))
    recorder.event("state", state(notes=[{"at": 1, "text": f"Bearer {TOKEN}"}, {"at": 2, "text": KEY}]))
    recorder.event("panel", {**panel("east"), "problem": f"token: {TOKEN}"})
    recorder.event("note", {"text": TOKEN})
    for line in (f"token: {TOKEN}", *KEY.split("\r\n")):
        recorder.event("output", {"step": "a/b", "kind": "printed", "text": line, "console": "east"})
    recorder.console("east", f"{TOKEN}\r\n{KEY}\r\n".encode())
    recorder.page("podinfo", "answer", {"error": {"detail": f"Bearer {TOKEN}"}})
    recorder.page("podinfo", "link", {"link": "lost", "words": KEY})
    recorder.close()
    for file in made.folder.rglob("*"):
        text = file.read_text() if file.is_file() else ""
        assert "10.0.0.2" not in text, "the audience's address"
        assert TOKEN[:30] not in text, file
        assert "MHcCAQEEIKl" not in text, file
    assert [event.name for event in read(made.folder).events.events].count("output") == 5


def test_what_was_recorded_before_a_crash_is_there(made: Recording) -> None:
    events, console = made.folder / "events.jsonl", made.folder / "consoles" / "east.cast"
    made.at(1).event("state", state())
    grown(events, 100)
    made.at(2).console("east", b"hello\r\n")
    until(console.exists)
    grown(console, 150)
    tape = read(made.folder)  # nobody has closed it
    assert tape.consoles["east"].timeline.events[0].data == "hello\r\n"
    assert "the stage still runs, or was killed" in tape.problems[0]
    made.recorder.close()


def test_a_recording_ends_at_its_limit_and_says_so(tmp_path: Path) -> None:
    made = Recording(tmp_path / "run", limit=100_000)
    made.at(1).event("state", state())
    for second in range(1, 40):
        made.at(float(second)).console("east", b"x" * 2000 + b"\r\n")
        made.recorder.page("podinfo", "answer", {"text": "y" * 2000})
    made.recorder.close()
    assert sum(file.stat().st_size for file in made.folder.rglob("*")) < 110_000
    assert any("consoles/east.cast: the recording has reached its limit" in note for note in made.notes)
    assert any("page.jsonl: the recording has reached its limit" in note for note in made.notes)
    assert len(made.notes) == 2
    tape = read(made.folder)
    assert (tape.manifest.complete, tape.length_s) == (True, 39.0)
    assert any("page.jsonl: the recording has reached" in problem for problem in tape.problems)
    assert tape.consoles["east"].timeline.events[-1].kind == "m"


def test_a_full_disk_ends_the_recording_and_not_the_stage(made: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    made.recorder.event("state", state())
    grown(made.folder / "events.jsonl", 10)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(GrowingFile, "write", full)
    made.at(2).event("note", {"text": "a note"})
    until(lambda: bool(made.notes))
    assert "the recording has stopped: no space left on device; what was recorded until now is kept" in made.notes
    assert "no space left on device" in made.recorder.problem
    for _ in range(1000):
        made.recorder.console("east", b"x" * 1000)
    monkeypatch.undo()
    made.recorder.close()
    tape = read(made.folder)
    assert (tape.manifest.complete, len(tape.events.events)) == (False, 1)
    assert "no space left on device" in tape.problems[0]
    assert not [problem for problem in tape.problems if "was killed" in problem], "it has ended in order"


def test_a_slow_disk_costs_output_and_never_memory(made: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked, entered = threading.Event(), threading.Event()
    flush = store.RecordingFiles.flush

    def slow(files: store.RecordingFiles, at_s: float, *, all_of_it: bool = False) -> None:
        entered.set()
        blocked.wait(30)
        flush(files, at_s, all_of_it=all_of_it)

    monkeypatch.setattr(store.RecordingFiles, "flush", slow)
    monkeypatch.setattr(recorder, "_MOST_WAITING", 10_000)
    assert entered.wait(30)
    for _ in range(20):
        made.recorder.console("east", b"x" * 1024)
    blocked.set()
    made.recorder.close()
    assert made.notes == ["11 KiB of the consoles are not in the recording: the disk is too slow"]
    assert len(shown(made.folder, "east")) == 9 * 1024


def test_a_flood_is_shortened_to_its_end(made: Recording) -> None:
    for number in range(3000):
        made.at(1 + number / 3000).console("east", f"line {number} {'x' * 400}\r\n".encode())
    made.at(2.5).console("east", b"after\r\n")
    made.recorder.close()
    text = shown(made.folder, "east")
    assert len(text) < cast.MOST_PER_S + (64 << 10)
    assert "KiB are left out of the recording]" in text
    assert "line 0 " in text
    assert "line 2999 " in text
    assert text.endswith("after\r\n")


def test_another_shell_with_the_name_of_one_that_was_closed_begins_on_an_empty_screen(made: Recording) -> None:
    made.at(1).console("west-2", b"one\r\n")
    made.at(2).event("console", {"name": "west-2", "cluster": "west", "closed": True})
    made.at(3).console("west-2", b"two\r\n")
    made.recorder.close()
    assert shown(made.folder, "west-2") == "one\r\n\x1bctwo\r\n"


def test_names_that_are_not_those_of_consoles_make_no_file(made: Recording) -> None:
    for name in ("../escape", "", "/etc/passwd", "a" * 100, ".hidden"):
        made.recorder.console(name, b"x")
    made.recorder.close()
    assert list((made.folder / "consoles").iterdir()) == []
    assert not (made.folder.parent / "escape.cast").exists()


def test_the_manifest_says_what_was_presented(tmp_path: Path) -> None:
    folder = presentation(tmp_path / "run")
    found = Manifest.read(folder)
    assert (found.complete, found.duration_s, found.lab, found.stack) == (True, 20.0, "eastwest", "istio")
    assert found.steps == {"all": 3, "ran": 2, "green": 2, "red": 0}
    assert [one["name"] for one in found.upstreams] == ["podinfo"]


def test_steps_that_were_undone_at_the_end_still_ran(made: Recording) -> None:
    for current in (1, 2, 0):
        made.recorder.event("state", state(current))
    made.recorder.close()
    assert (Manifest.read(made.folder).steps or {})["green"] == 2


def test_it_follows_a_broker_until_it_is_told_not_to(made: Recording) -> None:
    broker = Broker()
    end = made.recorder.follow(broker, state(), [panel("east", "podinfo-1")])
    broker.publish("note", {"text": "one"})
    end()
    broker.publish("note", {"text": "two"})
    made.recorder.close()
    events = read(made.folder).events.events
    assert sorted(event.name for event in events) == ["note", "panel", "state"]
    assert [event.data["text"] for event in events if event.name == "note"] == ["one"]


def test_a_folder_that_has_a_recording_is_not_written_again(made: Recording) -> None:
    with pytest.raises(FileExistsError):
        recorder.Recorder(folder=made.folder, manifest=made.recorder.manifest).start()
    made.recorder.close()
