"""What the lab's own commands inherit: the user's settings for other work stay outside."""

import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.base import environment, process
from lab.tools.docker import Docker

HOSTILE = {
    "DOCKER_DEFAULT_PLATFORM": "linux/arm64",
    "DOCKER_CONTENT_TRUST": "1",
    "KIND_EXPERIMENTAL_PROVIDER": "podman",
    "GOARCH": "arm64",
    "GOROOT": "/gone",
    "GO111MODULE": "off",
    "GOFLAGS": "-mod=vendor",
    "PIP_USER": "1",
    "PIP_TARGET": "/elsewhere",
    "PYTHONHOME": "/gone",
    "PYTHONPATH": "/gone",
    "HELM_NAMESPACE": "other",
    "TAR_OPTIONS": "--owner=me",
}
KEPT = {
    "DOCKER_HOST": "tcp://there:2375",
    "DOCKER_CONTEXT": "other",
    "GOPROXY": "https://proxy.example",
    "PIP_INDEX_URL": "https://index.example/simple",
    "PIP_FIND_LINKS": "/wheels",
    "PIP_DEFAULT_TIMEOUT": "180",
    "https_proxy": "http://proxy.example:3128",
    "PATH": "/usr/bin",
}
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.mark.parametrize("name", HOSTILE)
def test_what_changes_what_a_tool_does_is_left_out(name: str) -> None:
    assert name not in environment.of_child(environ=HOSTILE | KEPT)


def test_where_things_come_from_stays_the_users_own() -> None:
    assert KEPT.items() <= environment.of_child(environ=HOSTILE | KEPT).items()


def test_a_commands_own_variables_win_over_all_others() -> None:
    own = {"GOARCH": "amd64", "KUBECONFIG": "/lab/kubeconfig", "NO_PROXY": "*"}
    assert own.items() <= environment.of_child(own, environ=HOSTILE | {"KUBECONFIG": "/broken"}).items()


def test_no_command_reads_the_users_kubeconfig() -> None:
    assert environment.of_child(environ={"KUBECONFIG": "/broken"})["KUBECONFIG"] == os.devnull


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_own_addresses_are_added_to_the_users_exceptions_under_both_names(name: str) -> None:
    for given in ("NO_PROXY", "no_proxy"):
        entries = environment.of_child(environ={given: "intern.example, 127.0.0.1"})[name].split(",")
        assert entries[:2] == ["intern.example", "127.0.0.1"]
        assert {"localhost", "::1", "172.16.0.0/12"} < set(entries)
        assert len(entries) == len(set(entries))


def test_what_is_left_out_is_named_but_secrets_are_not_shown() -> None:
    given = {"GOARCH": "arm64", "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE": "secret", "PIP_INDEX_URL": "x", "KIND_X": ""}
    assert environment.ignored(given) == ["DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "GOARCH=arm64"]


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (HOSTILE | {"MORE": "1"}).items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("hostile")
def test_every_command_that_the_lab_runs_gets_it() -> None:
    seen = json.loads(process.run([sys.executable, "-c", SHOW]).stdout)
    assert not HOSTILE.keys() & seen.keys()
    assert seen["MORE"] == "1"


@pytest.mark.usefixtures("hostile")
def test_a_command_that_goes_on_beside_the_lab_gets_it_and_the_users_own_program_gets_everything() -> None:
    for inherit in (False, True):
        child = process.start(["/usr/bin/env"], piped=True, inherit=inherit)
        printed, _ = child.communicate(timeout=20)
        assert (b"GOARCH=arm64" in printed) is inherit


@pytest.mark.usefixtures("hostile")
def test_docker_is_started_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n/usr/bin/env >> {seen}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    assert Docker().containers() == []
    assert Docker().components() == ()
    assert not [line for line in seen.read_text().splitlines() if line.partition("=")[0] in HOSTILE]


def test_the_architecture_of_a_build_is_pinned_with_everything_else_that_go_reads() -> None:
    pinned = environment.go_build("amd64")
    assert pinned["GOARCH"] == "amd64"
    assert {"GO111MODULE", "GOFLAGS", "GOTOOLCHAIN", "GOWORK", "GOOS", "CGO_ENABLED"} < pinned.keys()


@pytest.fixture
def private_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("private_umask")
def test_files_in_the_block_are_readable_for_everybody_and_the_users_umask_comes_back(tmp_path: Path) -> None:
    def mode(name: str) -> int:
        (tmp_path / name).touch()
        return stat.S_IMODE((tmp_path / name).stat().st_mode)

    with environment.usual_umask():
        with environment.usual_umask():
            assert mode("inner") == 0o644
        assert mode("outer") == 0o644
    assert mode("after") == 0o600
