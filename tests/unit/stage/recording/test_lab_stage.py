"""`lab stage` records what it presents, and `lab stage --replay` plays it: real processes, shells and HTTP."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from lab.base import wait
from lab.base.names import Json
from lab.base.wait import NotYet
from lab.stage.recording.manifest import Manifest
from lab.stage.recording.reader import read
from tests.unit.stage.lab_stage import lab_stage, until
from tests.unit.stage.recording.test_export import recording

OPTIONS = ("--port", "0", "--no-browser")


def idle(state: Json) -> bool:
    return state["running"] is None


def presented(folder: Path, *, number: int = signal.SIGINT) -> Path:
    """Present a step, end the stage by a signal, and return the folder of its recording."""
    with lab_stage(folder, *OPTIONS) as stage, stage.client() as client:
        until(client, "both consoles", lambda s: [c["busy"] for c in s["consoles"]] == [False, False])
        assert client.post("/api/wish", json={"wish": "go", "at": "demo/one"}).status_code == 202
        until(client, "the step", lambda s: idle(s) and s["steps"][0]["state"] == "done")
        assert client.post("/api/mark", json={"text": "look here"}).status_code == 202
        (events,) = (folder / "runs").glob("*/events.jsonl")
        wait.until("the recording", lambda: bool(events.stat().st_size) or NotYet("empty"), timeout_s=60)
        os.kill(stage.child.pid, number)
        assert stage.ended() == (0 if number != signal.SIGKILL else -signal.SIGKILL)
        if number != signal.SIGKILL:
            assert any(line.startswith("recorded:  ") for line in stage.lines)
            assert stage.lines[-1].startswith("steps to undo: demo/one")
    (run,) = (folder / "runs").iterdir()
    return run


def test_a_presentation_is_recorded_listed_and_replayed_without_a_lab(tmp_path: Path) -> None:
    run = presented(tmp_path)
    tape = read(run)
    assert (tape.problems, tape.manifest.steps) == ((), {"all": 3, "ran": 1, "green": 1, "red": 0})
    assert set(tape.consoles) == {"east", "west"}
    assert "first" in "".join(event.data for event in tape.consoles["east"].timeline.events)
    links = [json.loads(event.text)["words"] for event in tape.page.events if event.name == "link"]
    assert links[-1] == "connection refused: nothing listens there", "there is no page in this lab"
    (tmp_path / "state").rename(tmp_path / "gone")  # no lab
    with lab_stage(tmp_path, "--replay", run.name[:15], *OPTIONS) as replay:
        base, _, token = replay.printed("replay: ").split()[1].partition("/#token=")
        assert replay.printed("Space plays it")
        with replay.client_of(base, token) as client:
            state = client.get("/api/state").json()
            assert (state["mode"], state["replay"]["run"], state["current"]) == ("replay", run.name, "demo/one")
            assert state["page"]["url"].startswith(f"{base}/replay/page/?view=stage&upstream=podinfo")
            end = {"action": "seek", "at": tape.length_s}
            assert client.post("/api/replay", json=end).status_code == 202
            state = client.get("/api/state").json()
            assert state["steps"][0]["checks"] == "green"
            assert state["marks"][-1]["text"] == "look here"
            assert client.get("/replay/page/").status_code == 200
        os.kill(replay.child.pid, signal.SIGINT)
        assert (replay.ended(), replay.errors) == (0, [])


def test_a_stage_that_is_killed_leaves_a_recording_that_can_be_exported(tmp_path: Path) -> None:
    run = presented(tmp_path, number=signal.SIGKILL)
    assert not Manifest.read(run).complete
    file = tmp_path / "talk.html"
    with lab_stage(tmp_path, "--replay", "latest", "--export", str(file)) as exported:
        assert exported.ended() == 0
    assert "the stage still runs, or was killed" in exported.errors[0]
    assert exported.lines[0].startswith(f"✓ {file}: ")
    assert recording(file.read_text())["id"] == run.name


def test_the_stage_goes_on_without_a_recording_if_there_is_no_place_for_it(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with lab_stage(tmp_path, *OPTIONS) as stage, stage.client() as client:
        assert until(client, "the state", idle)["current"] == "demo/one"
        assert "nothing is recorded: " in stage.printed("! nothing")


def test_no_recording_is_made_if_nobody_wants_one(tmp_path: Path) -> None:
    with lab_stage(tmp_path, *OPTIONS, "--no-recording") as stage, stage.client() as client:
        until(client, "the state", idle)
        os.kill(stage.child.pid, signal.SIGINT)
        assert stage.ended() == 0
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--replay", "2026"), "there is no recording of a stage in"),
        (("--replay", "latest"), "there is no recording of a stage in"),
        (("--replay", "no/such/folder"), "not the folder of a stage's recording"),
        (("--export", "x.html"), "--export needs a recording"),
    ],
)
def test_a_recording_that_does_not_exist_is_named(tmp_path: Path, words: tuple[str, ...], what: str) -> None:
    with lab_stage(tmp_path, *words, *OPTIONS) as stage:
        assert stage.ended() == 2
    assert what in stage.errors[0]
    assert stage.errors[1].startswith("next:  ")
