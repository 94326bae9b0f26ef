"""Folders of another user are refused in words, with the command that gives them back."""

import os
from pathlib import Path

import pytest

from lab.base.errors import ForeignStateError, HostError
from lab.base.paths import Paths, denied
from lab.report.session import runs_folder


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(cache=tmp_path / "cache", state=tmp_path / "state" / "dev")


@pytest.fixture
def somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this process is another user than the one that made the files."""
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 4711)


def test_no_state_and_a_state_of_ones_own_are_fine(paths: Paths) -> None:
    paths.check_access()
    paths.ensure_state()
    paths.lock.touch()
    paths.check_access()


@pytest.mark.usefixtures("somebody_else")
def test_a_state_of_another_user_is_refused_with_the_command(paths: Paths) -> None:
    paths.ensure_state()
    with pytest.raises(ForeignStateError, match="belongs to") as caught:
        paths.check_access()
    assert caught.value.where == str(paths.state)
    assert caught.value.take_over == f'sudo chown -R "$USER" {paths.state}'
    assert caught.value.next == "set LAB_STATE_DIR to another folder, or another `name` in lab.toml"


@pytest.mark.usefixtures("somebody_else")
def test_a_single_file_of_another_user_is_found(paths: Paths) -> None:
    paths.ensure_state()
    paths.lock.touch()
    uid = os.geteuid()
    os.chown(paths.state, uid, -1) if os.getuid() == 0 else pytest.skip("only root gives files away")
    with pytest.raises(ForeignStateError) as caught:
        paths.check_access()
    assert caught.value.where == str(paths.lock)
    assert str(paths.state) in caught.value.take_over


def test_a_refused_access_is_an_error_in_words() -> None:
    error = denied(PermissionError(13, "Permission denied", "/etc/shadow"))
    assert error.exit_code == 3
    assert "/etc/shadow" in str(error)
    assert "belongs to root" in str(error)


def test_an_empty_variable_of_a_folder_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"LAB_{name}_DIR" for name in ("STATE", "CACHE", "LOCAL", "RUNS")]
    for name in names:
        monkeypatch.delenv(name, raising=False)
    unset = Paths.of("dev"), runs_folder()
    for name in names:
        monkeypatch.setenv(name, "")
    assert (Paths.of("dev"), runs_folder()) == unset


def test_relative_folders_are_those_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_STATE_DIR", "state")
    monkeypatch.setenv("LAB_CACHE_DIR", "cache")
    monkeypatch.setenv("LAB_LOCAL_DIR", "local")
    here = Paths.of("demo")
    assert (here.state, here.cache, here.local) == (tmp_path / "state" / "demo", tmp_path / "cache", tmp_path / "local")


def test_an_unknown_home_folder_is_an_error_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_STATE_DIR", "~no-such-user/state")
    with pytest.raises(HostError, match="home folder is unknown") as caught:
        Paths.of("demo")
    assert (caught.value.where, caught.value.next) == ("~no-such-user/state", "export HOME=FOLDER")


@pytest.mark.usefixtures("somebody_else")
def test_the_command_for_a_folder_with_spaces_is_quoted(tmp_path: Path) -> None:
    paths = Paths(cache=tmp_path / "cache", state=tmp_path / "my state" / "dev")
    paths.ensure_state()
    with pytest.raises(ForeignStateError) as caught:
        paths.check_access()
    assert caught.value.take_over == f"sudo chown -R \"$USER\" '{paths.state}'"
