"""The runtime that wraps runc: written files, backups and uninstallation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import HostError, LabError
from lab.host.sandbox import runtime as module
from lab.host.sandbox.daemon_config import DaemonConfig
from lab.host.sandbox.runtime import NAME, Runtime

LACKS = "000001fffeffffff"
REFUSAL = "OCI runtime create failed: unable to apply caps: operation not permitted: unknown."


@pytest.fixture
def make(host: Any, fake_docker: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A runtime whose engine reads its file again when it is told to, as dockerd does on SIGHUP."""

    def build(*flags: str, cap_bnd: str = LACKS, settings: str | None = None, **docker: Any) -> Runtime:
        host.engine_process(*flags, cap_bnd=cap_bnd)
        host.program("/usr/sbin/runc")
        host.program("/usr/bin/python3")
        engine = fake_docker(runtime=["runc"], **docker)
        if settings is not None:
            host.file("/etc/docker/daemon.json", settings)

        def reload(pid: int, _: int) -> None:
            assert pid == 77
            written = json.loads((host.root / "etc/docker/daemon.json").read_text())
            engine.runtime.extend([written["default-runtime"]] if "default-runtime" in written else [])

        monkeypatch.setattr(module.os, "kill", reload)
        return Runtime(machine=host.machine(), docker=engine)

    return build


def written(runtime: Runtime) -> dict[str, Any]:
    return json.loads(runtime.config.file.read_text())  # type: ignore[no-any-return]


def test_nothing_is_done_where_nothing_is_lacking(make: Any) -> None:
    runtime = make(cap_bnd="000001ffffffffff")
    assert runtime.change().apply() == ""
    assert runtime.docker.made == []


def test_capabilities_that_the_kernel_does_not_know_are_not_lacking(make: Any, host: Any) -> None:
    runtime = make(cap_bnd="0000003fffffffff")
    host.file("/proc/sys/kernel/cap_last_cap", "37\n")
    assert runtime.lacking() == frozenset()


def test_nothing_is_done_where_privileged_containers_start_all_the_same(make: Any) -> None:
    runtime = make()
    assert runtime.lacking() == {"CAP_SYS_RESOURCE"}
    assert runtime.change().apply() == ""
    assert runtime.docker.made == runtime.docker.removed, "the attempt leaves nothing behind"
    assert not runtime.config.file.exists()


def test_the_runtime_becomes_the_default_and_the_users_settings_stay(make: Any) -> None:
    before = '{"debug": true, "runtimes": {"other": {"path": "/opt/other"}}}'
    runtime = make(settings=before, refuses=[REFUSAL])
    assert "--undo" in runtime.change().apply()
    assert written(runtime) == {
        "debug": True,
        "runtimes": {"other": {"path": "/opt/other"}, NAME: {"path": str(runtime.file)}},
        "default-runtime": NAME,
    }
    assert runtime.config.backup.read_text() == before
    assert runtime.file.stat().st_mode & 0o777 == 0o755
    assert runtime.file.read_text().startswith("#!/usr/bin/python3 -IS\n")
    assert runtime.file.with_name("real").readlink() == Path("/usr/sbin/runc")
    assert runtime.current
    assert runtime.change().apply() == ""


def test_a_default_runtime_of_the_users_is_stood_in_front_of_and_given_back(make: Any) -> None:
    before = '{"default-runtime": "mine", "runtimes": {"mine": {"path": "/opt/mine"}}}'
    runtime = make(settings=before, refuses=[REFUSAL])
    runtime.change().apply()
    assert runtime.file.with_name("real").readlink() == Path("/opt/mine")
    assert runtime.uninstall() is True
    assert written(runtime) == json.loads(before)
    assert runtime.docker.info().default_runtime == "mine"


def test_undo_leaves_no_file_where_there_was_none(make: Any) -> None:
    runtime = make(refuses=[REFUSAL])
    runtime.change().apply()
    assert runtime.uninstall() is True
    assert not runtime.config.file.exists()
    assert not runtime.config.backup.exists()
    assert not runtime.file.parent.exists()
    assert runtime.docker.info().default_runtime == "runc"
    assert runtime.uninstall() is False


def test_undo_keeps_what_the_user_changed_meanwhile(make: Any) -> None:
    runtime = make(settings='{"debug": true}', refuses=[REFUSAL])
    runtime.change().apply()
    runtime.config.write(written(runtime) | {"debug": False, "mtu": 1400})
    runtime.uninstall()
    assert written(runtime) == {"debug": False, "mtu": 1400}


def test_undo_waits_for_the_containers_that_use_it(make: Any, node: Any) -> None:
    runtime = make(has_containers=[replace(node, runtime=NAME)])
    runtime.install()
    with pytest.raises(HostError, match="in use by eastwest-east-control-plane") as caught:
        runtime.uninstall()
    assert "lab down" in (caught.value.next or "")
    assert written(runtime)["default-runtime"] == NAME


def test_what_does_not_help_is_taken_back(make: Any) -> None:
    runtime = make(settings='{"debug": true}', refuses=[REFUSAL, "still not"])
    with pytest.raises(HostError, match="still not"):
        runtime.change().apply()
    assert written(runtime) == {"debug": True}
    assert not runtime.file.exists()


def test_an_update_keeps_the_runtime_behind_it(make: Any) -> None:
    runtime = make(refuses=[REFUSAL])
    runtime.change().apply()
    runtime.file.write_text("an older version")
    assert not runtime.current
    runtime.docker.refuses[:] = [REFUSAL]
    runtime.change().apply()
    assert runtime.current
    assert runtime.file.with_name("real").readlink() == Path("/usr/sbin/runc")


@pytest.mark.parametrize("text", ["{ not json", "[]", '{"runtimes": []}'])
def test_a_broken_configuration_is_named_and_left_alone(make: Any, text: str) -> None:
    runtime = make(settings=text, refuses=[REFUSAL])
    with pytest.raises(HostError, match=r"daemon\.json"):
        runtime.change().apply()
    assert runtime.config.file.read_text() == text
    assert not runtime.config.backup.exists()
    assert not runtime.file.exists()


def test_a_runtime_on_the_command_line_cannot_be_changed_in_the_file(make: Any) -> None:
    runtime = make("--default-runtime=x", refuses=[REFUSAL])
    with pytest.raises(HostError, match="command line"):
        runtime.change().apply()
    assert not runtime.config.file.exists()


@pytest.mark.parametrize("flags", [("--config-file", "/opt/d.json"), ("--config-file=/opt/d.json",)])
def test_the_file_that_the_engine_was_started_with_is_the_one(make: Any, flags: tuple[str, ...]) -> None:
    runtime = make(*flags)
    assert runtime.config == DaemonConfig(runtime.machine.path("/opt/d.json"))


def test_planning_changes_nothing_and_tries_nothing(make: Any) -> None:
    runtime = make(refuses=[REFUSAL])
    change = runtime.change()
    assert "default runtime" in change.what
    assert change.undo == "lab doctor --undo"
    assert runtime.docker.made == []
    assert not runtime.config.file.exists()


@pytest.mark.parametrize(
    ("systemd", "process", "cap_bnd", "expected"),
    [
        (False, "self", LACKS, True),
        (False, "self", "000001ffffffffff", False),
        (True, "1", LACKS, True),
        (True, "self", LACKS, False),
    ],
)
def test_before_the_engine_is_up_who_starts_it_tells_whether_it_may_lack_something(  # noqa: PLR0917
    host: Any, fake_docker: Any, systemd: bool, process: str, cap_bnd: str, expected: bool
) -> None:
    for name in ("1", "self"):
        host.file(f"/proc/{name}/status", f"CapBnd:\t{cap_bnd if name == process else '000001ffffffffff'}\n")
    host.file("/proc/sys/kernel/cap_last_cap", "40\n")
    if systemd:
        (host.root / "run/systemd/system").mkdir(parents=True)
    assert Runtime(machine=host.machine(), docker=fake_docker()).may_be_needed is expected


def test_an_engine_elsewhere_lacks_nothing_that_can_be_seen(host: Any, fake_docker: Any) -> None:
    runtime = Runtime(machine=host.machine(), docker=fake_docker())
    assert runtime.lacking() == frozenset()
    with pytest.raises(LabError, match="does not run on this machine"):
        runtime.install()
