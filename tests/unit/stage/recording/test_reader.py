"""Recordings that are cut, damaged, foreign or of another version."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import UsageError
from lab.stage.recording import reader
from lab.stage.recording.manifest import RecordingError
from lab.stage.recording.reader import read
from tests.unit.stage.recording.kit import STEPS, presentation


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return presentation(tmp_path_factory.mktemp("runs") / "run", upstreams=("podinfo", "podinfo-east"))


@pytest.fixture
def folder(recorded: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(recorded, tmp_path / "run"))


def change(file: Path, how: Callable[[list[str]], list[str]]) -> None:
    file.write_text("".join(f"{line}\n" for line in how(file.read_text().splitlines())))


def test_a_whole_recording_has_everything(recorded: Path) -> None:
    tape = read(recorded)
    assert (tape.problems, tape.length_s) == ((), 20.0)
    states = [event.data["current"] for event in tape.events.events if event.name == "state"]
    assert states == [STEPS[0], STEPS[0], STEPS[1], STEPS[2]]
    names = {event.name for event in tape.events.events}
    assert names == {"state", "panel", "output", "mark", "note", "console", "lost"}
    assert {event.upstream for event in tape.page.events} == {"podinfo", "podinfo-east"}
    assert {json.loads(event.text)["n"] for event in tape.page.events if event.name == "answer"} == {*range(1, 20)} - {
        12,
        13,
    }
    assert set(tape.consoles) == {"east", "west", "west-2"}
    assert tape.consoles["east"].size == (80, 24)


def test_a_recording_of_a_stage_that_was_killed_is_played_with_a_note(tmp_path: Path) -> None:
    tape = read(presentation(tmp_path / "run", ends=False))
    assert tape.length_s == 19.0, "the last line"
    assert tape.problems == ("the stage still runs, or was killed: what is written so far is played",)


@pytest.mark.parametrize("file", ["events.jsonl", "page.jsonl", "consoles/east.cast"])
def test_a_file_that_was_cut_is_read_as_far_as_it_goes(folder: Path, recorded: Path, file: str) -> None:
    whole = (folder / file).read_bytes()
    before = read(recorded)
    for size in (len(whole) - 5, len(whole) * 2 // 3):
        (folder / file).write_bytes(whole[:size])
        tape = read(folder)
        assert any("was cut: the end of it is missing" in problem for problem in tape.problems), size
        assert len(tape.events.events) >= 2
        assert all(event in before.events.events for event in tape.events.events)
        assert before.page.events[: len(tape.page.events)] == tape.page.events


def test_damaged_lines_are_left_out_and_counted(folder: Path) -> None:
    change(folder / "page.jsonl", lambda lines: [*lines[:5], "{", "[]", '{"t": "x"}', "\x00\xff", *lines[5:]])
    change(
        folder / "consoles/west.cast", lambda lines: [*lines[:2], "[1]", '[1, "o", 5]', '[1, "r", "0x0"]', *lines[2:]]
    )
    tape = read(folder)
    assert tape.problems == ("page.jsonl: 4 damaged lines are left out", "west.cast: 3 damaged lines are left out")
    assert len(tape.page.events) == len(read(folder.parent / "run").page.events)


def test_after_a_damaged_state_the_next_whole_one_counts(folder: Path) -> None:
    def damage(lines: list[str]) -> list[str]:
        whole = next(line for line in lines if '"whole"' in line)
        later = json.loads(whole)
        later["t"], later["data"]["whole"]["current"] = 18.0, STEPS[2]
        at = next(n for n, line in enumerate(lines) if '"name":"state"' in line and '"changes"' in line)
        return [*lines[:at], lines[at][:30], *lines[at + 1 :], json.dumps(later)]

    change(folder / "events.jsonl", damage)
    tape = read(folder)
    states = [(event.at_s, event.data["current"]) for event in tape.events.events if event.name == "state"]
    assert states[0] == (0.0, STEPS[0])
    assert states[-1] == (18.0, STEPS[2])
    assert any("damaged line" in problem for problem in tape.problems)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"schema": "eastwest.lab/stage/v9"}, "'eastwest.lab/stage/v9'; this version of the lab replays"),
        ({"schema": "eastwest.lab/stage/v1"}, "is damaged"),
        ({}, "has schema None"),
        ([], "cannot be read"),
    ],
)
def test_another_version_is_refused_by_name(folder: Path, document: Any, words: str) -> None:
    (folder / "stage.json").write_text(json.dumps(document))
    with pytest.raises(RecordingError, match=words) as refused:
        read(folder)
    assert refused.value.next


@pytest.mark.parametrize(
    ("key", "value"),
    [("began_at", "now"), ("duration_s", None), ("upstreams", [{}]), ("upstreams", ["podinfo"]), ("id", ...)],
)
def test_a_damaged_manifest_is_refused(folder: Path, key: str, value: Any) -> None:
    document = json.loads((folder / "stage.json").read_text())
    if value is ...:
        del document[key]
    else:
        document[key] = value
    (folder / "stage.json").write_text(json.dumps(document))
    with pytest.raises(RecordingError, match="is damaged"):
        read(folder)


def test_a_folder_without_a_recording_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"it has no stage\.json"):
        read(tmp_path)
    with pytest.raises(UsageError, match=r"it has no stage\.json"):
        read(tmp_path / "missing")
    (folder / "events.jsonl").write_text("")
    with pytest.raises(RecordingError, match="has no state of a stage"):
        read(folder)
    (folder / "events.jsonl").unlink()
    with pytest.raises(RecordingError, match="has no state of a stage"):
        read(folder)


def test_what_is_missing_is_named_and_the_rest_is_played(folder: Path) -> None:
    (folder / "page.jsonl").unlink()
    (folder / "consoles" / "east.cast").write_text('{"version": 1}\n')
    (folder / "consoles" / "west.cast").write_text("")
    tape = read(folder)
    assert tape.problems == (
        "page.jsonl: is missing",
        "east.cast: is not an asciicast of version 2; this console is not shown",
        "west.cast: is not an asciicast of version 2; this console is not shown",
    )
    assert (len(tape.events.events) > 5, list(tape.consoles), tape.page.events) == (True, ["west-2"], [])


def test_casts_of_other_recorders_are_read(folder: Path) -> None:
    cast = ['{"version": 2, "width": 90, "height": 20}', '[0.5, "i", "ls"]', '[0.6, "o", "ls\\r\\n"]']
    (folder / "consoles" / "east.cast").write_text("\n".join(cast))
    tape = read(folder).consoles["east"]
    assert (tape.size, [event.data for event in tape.timeline.events]) == ((90, 20), ["ls\r\n"])


def test_a_line_never_becomes_another_event_of_a_stream(folder: Path) -> None:
    bad = {"t": 1.0, "at": 1.0, "upstream": "podinfo", "name": "answer\n\nevent: clock", "data": {}}
    lines = [bad, {**bad, "name": "answer", "upstream": "a\nb"}, {**bad, "name": "answer", "data": []}]
    lines.append({**bad, "name": "answer", "at": float("nan")})
    (folder / "page.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    tape = read(folder)
    assert (tape.page.events, "4 damaged lines" in tape.problems[0]) == ([], True)


def test_data_that_is_not_the_last_key_is_read_too(folder: Path) -> None:
    line = {"data": {"n": 1}, "t": 1.0, "at": 1.0, "upstream": "podinfo", "name": "answer"}
    twice = {"t": 2.0, "at": 1.0, "upstream": "podinfo", "name": "answer", "data": {"x": {"data": 1}}}
    (folder / "page.jsonl").write_text(json.dumps(line) + "\n" + json.dumps(twice, separators=(",", ":")) + "\n")
    assert [json.loads(event.text) for event in read(folder).page.events] == [{"n": 1}, {"x": {"data": 1}}]


def test_files_of_any_size_are_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_MOST_BYTES", 100)
    with pytest.raises(RecordingError, match="is larger than"):
        read(folder)


def test_times_never_go_back(folder: Path) -> None:
    change(
        folder / "consoles/east.cast", lambda lines: [*lines, '[2.0, "o", "late"]', '[-1, "o", "x"]', '[1e9, "o", "x"]']
    )
    tape = read(folder)
    times = [event.at_s for event in tape.consoles["east"].timeline.events]
    assert times == sorted(times)
    assert [event.at_s for event in tape.consoles["east"].timeline.events if event.data == "late"] == [2.0]
    assert tape.problems == ("east.cast: 2 damaged lines are left out",)
