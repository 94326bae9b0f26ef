"""Recordings of stages among the reports: listed, named, completed; a stage plays them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.cli.app import app
from tests.unit.cli.conftest import Command
from tests.unit.stage.recording.kit import presentation

ID = "20261127-090000-abcd"


@pytest.fixture
def recorded(folder: Path) -> Path:
    return presentation(folder / "runs" / ID)


def test_a_recording_is_listed_with_what_was_presented(lab: Command, recorded: Path) -> None:
    (listed,) = lab("report", "--json").json
    assert (listed["id"], listed["mode"], listed["exit_code"]) == (ID, "stage", 0)
    assert (listed["what"], listed["result"]) == ("eastwest, Istio on both sides", "2 of 3 steps, 2 green")
    assert listed["duration_s"] == 20.0
    assert "2 of 3 steps, 2 green" in lab("report").out


def test_a_recording_that_was_not_ended_is_listed_as_such(lab: Command, folder: Path) -> None:
    presentation(folder / "runs" / ID, ends=False)
    (listed,) = lab("report", "--json").json
    assert (listed["result"], listed["exit_code"]) == ("still runs, or was killed", 0)


def test_it_is_no_report_for_other_commands_and_they_name_the_one_that_plays_it(lab: Command, recorded: Path) -> None:
    opened = lab("report", "open", ID)
    assert (opened.code, f"next:  lab stage --replay {ID}" in opened.err) == (2, True)
    assert "unknown report of a run" in lab("report", "diff", ID, ID).err


def test_an_export_says_what_the_file_contains(lab: Command, recorded: Path, folder: Path) -> None:
    ended = lab("stage", "--replay", "2026", "--export", str(folder / "talk.html"))
    assert (ended.code, ended.err) == (0, "")
    assert "talk.html: 0." in ended.out
    assert "recording 20261127-090000-abcd of the lab eastwest (Istio on both sides)" in ended.out
    assert (folder / "talk.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("which", ["latest", ID, "20261127", f"runs/{ID}"])
def test_a_recording_has_several_names(lab: Command, recorded: Path, folder: Path, which: str) -> None:
    assert lab("stage", "--replay", which, "--export", str(folder / "talk.html")).code == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--replay", "2025"), "unknown report of a stage '2025'"),
        (("--replay", f"{ID}x"), f"unknown report of a stage '{ID}x'"),
        (("--replay", ""), "unknown report of a stage"),
        (("--replay", "/etc"), "/etc: not the folder of a stage's recording"),
        (("--export", "x.html"), "--export needs a recording"),
        (("--replay", ID, "--export", "no/folder/x.html"), "there is no folder no/folder"),
        (("--replay", ID, "--auto", "--audience", "127.0.0.1"), "it takes no --auto, --audience"),
        (("isolation", "--replay", ID), "it takes no isolation"),
    ],
)
def test_wrong_names_are_refused_with_the_next_step(
    lab: Command, recorded: Path, words: tuple[str, ...], text: str
) -> None:
    ended = lab("stage", *words)
    assert (ended.code, text in ended.err, "next:  " in ended.err) == (2, True, True), ended.err


def test_a_damaged_recording_is_an_error_of_that_recording(lab: Command, recorded: Path) -> None:
    (recorded / "stage.json").write_text("{")
    ended = lab("stage", "--replay", ID)
    assert (ended.code, "stage.json: cannot be read" in ended.err) == (3, True), ended.err
    (listed,) = lab("report", "--json").json
    assert (listed["mode"], listed["exit_code"], listed["result"][:15]) == ("stage", None, "cannot be read:")


def test_completion_knows_recordings(recorded: Path) -> None:
    environment = {"_LAB_COMPLETE": "complete_bash", "COMP_WORDS": "lab stage --replay 2026", "COMP_CWORD": "3"}
    shown = CliRunner().invoke(app, [], prog_name="lab", env=environment).stdout
    assert shown.split() == [ID]


def test_the_latest_is_the_newest_that_has_ended(lab: Command, recorded: Path, folder: Path) -> None:
    presentation(folder / "runs" / "20261127-100000-abcd", ends=False)
    ended = lab("stage", "--replay", "latest", "--export", str(folder / "talk.html"))
    assert f"recording {ID}" in ended.out
    newer = lab("stage", "--replay", "20261127-10", "--export", str(folder / "talk.html"))
    assert "the stage still runs, or was killed" in newer.err
