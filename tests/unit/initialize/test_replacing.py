"""Replacing files: a killed update loses nothing, and the next command starts with the files as they were."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.base.errors import UsageError
from lab.base.paths import PROJECT
from lab.initialize import folder as profile
from lab.initialize import replacing, update
from lab.initialize.choices import FILE_NAME, parse_query
from tests.unit.initialize.test_update import NEW, OLD, contents

TOML = parse_query("apps=podinfo").toml()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "out"
    profile.write(place, {**OLD, FILE_NAME: TOML})
    (place / "README.md").write_text("one\ntwo\nthree\nfour\nFIVE\n")
    return place


@pytest.fixture
def killed(folder: Path, tmp_path: Path) -> list[Path]:
    """Copies whose updates were killed at each change of a file, and as the last one a copy with a whole update."""
    files = {**NEW, FILE_NAME: TOML, "clusters/new/a.yaml": "a: 1\n"}
    (tmp_path / "new.json").write_text(json.dumps(files))
    command = [sys.executable, "-m", "tests.unit.initialize.killed", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, check=True, timeout=120)
    return [tmp_path / str(at) for at in range(sum(path.name.isdecimal() for path in tmp_path.iterdir()))]


def test_no_file_vanishes_and_the_next_command_restores_a_killed_update(folder: Path, killed: list[Path]) -> None:
    before, files = contents(folder), json.loads((folder.parent / "new.json").read_text())
    whole = contents(killed[-1])
    assert whole["README.md"] == "one\n2\nthree\nfour\nFIVE\n"
    journals, mixed = 0, 0
    for copy in killed[:-1]:
        left = {path: text for path, text in contents(copy).items() if not path.startswith(".initializer-")}
        assert before.keys() - left.keys() <= {"base/gone.yaml"}, f"{copy.name}: a file has vanished"
        journals += bool([*copy.glob(".initializer-*/journal.json")])
        mixed += left not in (before, whole)
        profile.choices_of(copy)
        assert contents(copy) in (before, whole), copy.name
        update.plan(copy, files).apply(copy)
        assert contents(copy) == whole, copy.name
        assert [path.name for path in copy.glob(".initializer-*")] == []
    assert journals > len(NEW)
    assert mixed > 1


def interrupted(folder: Path) -> Path:
    """Leave what an update leaves that was killed after all of its changes."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(replacing, "_finish", lambda work: None)
        replacing.replace(folder, {"README.md": "new\n", "added.txt": "a", "base/gone.yaml": None})
    (work,) = folder.glob(".initializer-*")
    return work


def test_edits_after_the_interruption_stay(folder: Path) -> None:
    interrupted(folder)
    (folder / "README.md").write_text("edited later\n")
    (folder / "added.txt").write_text("edited later")
    assert profile.recover(folder)
    assert (folder / "README.md").read_text() == "edited later\n"
    assert (folder / "added.txt").read_text() == "edited later"
    assert (folder / "base/gone.yaml").read_text() == OLD["base/gone.yaml"]
    assert not profile.recover(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"../outside": null}', '{"/outside": null}', '{"link/a": null}', "\x00"])
def test_a_damaged_journal_is_named_and_nothing_is_touched(folder: Path, tmp_path: Path, text: str) -> None:
    work = interrupted(folder)
    (folder / "link").symlink_to(tmp_path)
    (work / "journal.json").write_text(text)
    before = contents(folder)
    with pytest.raises(UsageError, match="journal is damaged") as caught:
        profile.choices_of(folder)
    assert str(work) in str(caught.value.next)
    assert contents(folder) == before


def test_two_updates_at_once_are_refused(folder: Path) -> None:
    shutil.copytree(folder / "base", folder / ".initializer-other")
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for work in (lambda: profile.recover(folder), lambda: profile.replace(folder, {"README.md": "x"})):
            with pytest.raises(UsageError, match="another `lab initialize update`"):
                work()
    finally:
        os.close(handle)
    assert not profile.recover(folder)
    assert not (folder / ".initializer-other").exists()
