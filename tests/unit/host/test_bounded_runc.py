"""The runtime wrapper: arguments, removed capabilities, and the whole program."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.host.sandbox import bounded_runc
from lab.host.sandbox.bounded_runc import description, lacking, split, take_out

ALL = "000001ffffffffff"
NO_SYS_RESOURCE = "000001fffeffffff"


@pytest.mark.parametrize(
    ("bits", "names"),
    [
        (ALL, set()),
        (NO_SYS_RESOURCE, {"CAP_SYS_RESOURCE"}),
        ("000001fffdffffff", {"CAP_SYS_TIME"}),
        ("000000ffffffffff", {"CAP_CHECKPOINT_RESTORE"}),
        ("000001fffffffffe", {"CAP_CHOWN"}),
    ],
)
def test_lacking_names_the_bits_that_are_not_set(bits: str, names: set[str]) -> None:
    assert lacking(f"Name:\tx\nCapEff:\t0\nCapBnd:\t{bits}\nCapAmb:\t0\n") == names


def test_lacking_is_nothing_where_the_kernel_says_nothing() -> None:
    assert lacking("Name:\tx\n") == frozenset()


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("create --bundle /b --pid-file /p ID", "/b/config.json"),
        ("create --bundle=/b ID", "/b/config.json"),
        ("create -b /b ID", "/b/config.json"),
        ("create ID", "./config.json"),
        ("--root /r --log /l --log-format json --systemd-cgroup create --bundle /b ID", "/b/config.json"),
        ("--root=/r --debug run --detach --bundle /b ID", "/b/config.json"),
        ("--log create --root /r run --bundle /b ID", "/b/config.json"),
        ("--root /r exec --process /p --console-socket /c --detach --pid-file /f ID", "/p"),
        ("exec -d -p /p ID", "/p"),
        ("exec --process=/p ID", "/p"),
        ("exec -t ID tool -p 5", None),
        ("exec --cwd /w ID tool --process /x", None),
        ("exec --env A=-p ID", None),
        ("state ID", None),
        ("--version", None),
        ("delete --force ID", None),
        ("kill --all ID KILL", None),
        ("", None),
        ("--root", None),
    ],
)
def test_description_finds_the_file_that_the_runtime_will_read(line: str, file: str | None) -> None:
    assert description(line.split()) == file


def test_split_stops_at_the_end_of_flags() -> None:
    assert split(["--tty", "--", "--cwd", "/w"]) == ({"tty": ""}, ["--", "--cwd", "/w"])


@pytest.mark.parametrize(
    "wrap", [lambda process: {"process": process}, lambda process: process], ids=["config", "exec"]
)
def test_take_out_leaves_everything_else(wrap: object) -> None:
    asked = ["CAP_CHOWN", "CAP_SYS_RESOURCE"]
    process = {"args": ["sh"], "capabilities": {"bounding": list(asked), "effective": list(asked), "ambient": None}}
    document = wrap(process)  # type: ignore[operator]
    assert take_out(document, frozenset({"CAP_SYS_RESOURCE"})) is True
    assert process["args"] == ["sh"]
    assert process["capabilities"] == {"bounding": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"], "ambient": None}
    assert take_out(document, frozenset({"CAP_SYS_RESOURCE"})) is False


def test_take_out_of_a_process_without_capabilities_is_nothing() -> None:
    assert take_out({"process": {"args": []}}, frozenset({"CAP_CHOWN"})) is False
    assert take_out({}, frozenset({"CAP_CHOWN"})) is False


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The program as it is installed, and a runc on PATH that writes down what it was given."""
    program = tmp_path / "lib" / "bounded-runc"
    program.parent.mkdir()
    source = Path(bounded_runc.__file__).read_text()
    program.write_text(f"#!{sys.executable} -IS\n{source.partition(chr(10))[2]}")
    program.chmod(0o755)
    runc = tmp_path / "bin" / "runc"
    runc.parent.mkdir()
    runc.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\ncat config.json 2>/dev/null\nexit 7\n')
    runc.chmod(0o755)
    return program


def call(program: Path, *arguments: str, path: Path, without: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program, with one capability less where one is named."""

    def drop() -> None:
        if without is not None:
            bit = bounded_runc.CAPABILITIES.split().index(without.removeprefix("CAP_"))
            assert ctypes.CDLL(None).prctl(24, bit, 0, 0, 0) == 0  # PR_CAPBSET_DROP

    return subprocess.run(
        [program, *arguments],
        env={"PATH": f"{path}:{os.defpath}"},
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=drop,
    )


def test_it_becomes_the_runtime_with_the_same_arguments_and_status(installed: Path, tmp_path: Path) -> None:
    done = call(installed, "--root", "/a b", "state", "ID", path=tmp_path / "bin")
    assert done.returncode == 7
    assert (tmp_path / "arguments").read_text().splitlines() == ["--root", "/a b", "state", "ID"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="dropping a capability takes root")
def test_a_capability_outside_the_bounding_set_is_not_asked_for(installed: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"process": {"capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_TIME"]}}, "x": 1}))
    config.chmod(0o600)
    done = call(installed, "create", "--bundle", str(tmp_path), "ID", path=tmp_path / "bin", without="CAP_SYS_TIME")
    assert done.returncode == 7
    assert json.loads(config.read_text()) == {"process": {"capabilities": {"bounding": ["CAP_CHOWN"]}}, "x": 1}
    assert config.stat().st_mode & 0o777 == 0o600


def test_where_nothing_is_lacking_the_file_is_not_even_read(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{ not json")
    done = call(installed, "create", "ID", path=tmp_path / "bin")
    assert (done.returncode, done.stdout) == (7, "{ not json")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="dropping a capability takes root")
@pytest.mark.parametrize("text", ["{ not json", "[]", '"text"', ""])
def test_a_file_that_cannot_be_read_is_left_to_the_runtime(installed: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    done = call(installed, "create", "ID", path=tmp_path / "bin", without="CAP_SYS_TIME")
    assert (done.returncode, done.stdout, done.stderr) == (7, text, "")


def test_the_link_beside_it_comes_before_path(installed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other-runtime"
    other.write_text("#!/bin/sh\nexit 9\n")
    other.chmod(0o755)
    (installed.parent / "real").symlink_to(other)
    assert call(installed, "state", "ID", path=tmp_path / "bin").returncode == 9
    other.unlink()
    assert call(installed, "state", "ID", path=tmp_path / "bin").returncode == 7, "a dead link: runc on PATH"


def test_it_never_becomes_itself(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = tmp_path / "usual" / "runc"
    usual.parent.mkdir()
    usual.write_text("#!/bin/sh\n")
    usual.chmod(0o755)
    monkeypatch.setattr(bounded_runc, "USUAL_PATH", str(usual.parent))
    (tmp_path / "bin" / "runc").unlink()
    (tmp_path / "bin" / "runc").symlink_to(installed)
    (installed.parent / "real").symlink_to(installed)
    assert bounded_runc.real_runtime(str(installed), str(tmp_path / "bin")) == str(usual)
