"""Folders of another user are refused in words, with the command that gives them back; others with what moves them."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.artifacts import ArtifactStore
from lab.base.errors import ForeignStateError, HostError
from lab.base.paths import Paths, denied, expanded, unusable
from lab.clusters import kubeconfig
from lab.config import ArtifactsSpec
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


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CACHE", "STATE", "RUNS"):
        monkeypatch.delenv(f"LAB_{name}_DIR", raising=False)
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir("/")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (".cache/eastwest-lab/artifacts/locks", "LAB_CACHE_DIR"),
        (".cache", "LAB_CACHE_DIR"),
        (".local/state/eastwest-lab/dev/id", "LAB_STATE_DIR"),
        ("gone", ""),
        ("/runs/1", "LAB_RUNS_DIR"),
    ],
)
@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOENT, errno.EACCES, errno.ENOSPC])
def test_an_error_in_a_folder_of_the_lab_says_which_variable_moves_it(
    home: Path, path: str, names: str, number: int
) -> None:
    given = OSError(number, os.strerror(number), str(home / path))
    error = denied(given) if isinstance(given, PermissionError) else unusable(given)
    hint = f"set {names} to a folder that can be written; or "
    assert (error.next or "").startswith(hint) is bool(names)
    assert error.where == str(home / path)
    assert "LAB_" not in (error.next or "").removeprefix(hint)


def test_a_home_that_is_gone_is_where_all_of_them_are(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home / "gone"))
    error = unusable(FileNotFoundError(errno.ENOENT, "No such file or directory", str(home / "gone")))
    assert (error.next or "").startswith(
        "set LAB_CACHE_DIR and LAB_STATE_DIR to a folder that can be written; or ls -ld"
    )


def test_a_file_in_place_of_a_folder_is_the_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").touch()
    monkeypatch.setenv("LAB_RUNS_DIR", str(tmp_path / "runs"))
    error = unusable(NotADirectoryError(errno.ENOTDIR, "Not a directory", str(tmp_path / "runs" / "1" / "x.json")))
    assert (error.where, error.what) == (str(tmp_path / "runs"), "is a file, and the lab needs a folder there")
    assert error.next == f"set LAB_RUNS_DIR to a folder that can be written; or ls -ld {tmp_path / 'runs'}"


def test_a_name_that_is_too_long_needs_a_shorter_one() -> None:
    error = unusable(OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300))
    assert error.next == "use a shorter name"


def test_a_read_only_disk_is_not_somebody_elses(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    paths.ensure_state()
    monkeypatch.setenv("LAB_STATE_DIR", str(paths.state.parent))
    monkeypatch.setattr(os, "geteuid", lambda: paths.state.stat().st_uid or 4711)
    monkeypatch.setattr(os, "access", lambda *_: False)
    if os.getuid() == 0:
        os.chown(paths.state, 4711, -1)
    with pytest.raises(HostError, match="cannot be written; the lab keeps its state in") as caught:
        paths.check_access()
    assert not isinstance(caught.value, ForeignStateError)
    assert caught.value.next == "set LAB_STATE_DIR to a folder that can be written"


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
    assert (caught.value.where, caught.value.next) == ("~no-such-user/state", "write the path without ~no-such-user")


@pytest.mark.usefixtures("somebody_else")
def test_the_command_for_a_folder_with_spaces_is_quoted(tmp_path: Path) -> None:
    paths = Paths(cache=tmp_path / "cache", state=tmp_path / "my state" / "dev")
    paths.ensure_state()
    with pytest.raises(ForeignStateError) as caught:
        paths.check_access()
    assert caught.value.take_over == f"sudo chown -R \"$USER\" '{paths.state}'"


def test_the_home_folder_of_an_unknown_user_is_an_error_wherever_a_user_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = "~no-such-user-here/x"
    monkeypatch.setenv("KUBECONFIG", unknown)
    monkeypatch.setenv("LAB_RUNS_DIR", unknown)
    paths = Paths(cache=tmp_path, state=tmp_path / "state")
    uses: list[Callable[[], object]] = [
        lambda: expanded(unknown),
        kubeconfig.user_file,
        lambda: ArtifactStore(paths=paths, spec=ArtifactsSpec(local=unknown)),
        lambda: unusable(PermissionError(13, "denied", str(tmp_path))),
    ]
    for use in uses:
        with pytest.raises(HostError, match="the user no-such-user-here does not exist"):
            use()
