"""Installing and starting the Docker Engine: state, commands, confirmation and errors."""

from __future__ import annotations

from typing import Any

import pytest

from lab.base.errors import CommandError, HostError
from lab.host import engine
from lab.host.engine import EngineState
from lab.tools.docker import EngineDeniedError, EngineDownError
from lab.tools.docker_errors import EndpointError

INSTALL = "apt-get install -y --no-install-recommends docker.io iptables"
NOWHERE = EndpointError('the docker command does not find its engine: context "x": context not found')
OLD = HostError("the docker command and the engine have no API version in common")
DENIED = EngineDeniedError("this user may not talk to the container engine")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_START_S", 0.01)


def bring_up(host: Any, docker: Any) -> list[str]:
    """Make all changes that are planned for the engine as it is."""
    machine = host.machine()
    return [change.apply() for change in engine.changes(engine.observe(machine, docker), machine, docker)]


def set_up_debian(host: Any, *, apparmor: bool = False) -> None:
    """A Debian without an engine, whose apt installs one."""
    if apparmor:
        host.file("/sys/module/apparmor/parameters/enabled", "Y\n")

    def install(words: list[str]) -> None:
        if "docker.io" in words:
            host.program("/usr/sbin/dockerd")
            host.program("/usr/bin/docker")

    host.run.answers |= {
        "dpkg-query": "",
        "apt-get update": "",
        "apt-get install": install,
        "start-stop-daemon": "",
    }


@pytest.mark.parametrize(
    ("programs", "down", "at", "expected"),
    [
        ([], None, "", EngineState.ABSENT),
        (["/usr/sbin/dockerd"], None, "", EngineState.ABSENT),
        (["/usr/bin/docker"], "down", "unix:///var/run/docker.sock", EngineState.ABSENT),
        (["/usr/bin/docker", "/usr/sbin/dockerd"], "down", "unix:///var/run/docker.sock", EngineState.STOPPED),
        (["/usr/bin/docker", "/usr/sbin/dockerd"], "down", "tcp://10.0.0.9:2375", EngineState.ELSEWHERE),
        (["/usr/bin/docker"], "down", "unix:///run/user/1000/docker.sock", EngineState.ELSEWHERE),
        (["/usr/bin/docker"], "denied", "unix:///var/run/docker.sock", EngineState.DENIED),
        (["/usr/bin/docker"], "nowhere", "not asked", EngineState.NOWHERE),
        (["/usr/bin/docker"], "old", "not asked", EngineState.UNUSABLE),
        (["/usr/bin/docker"], None, "unix:///var/run/docker.sock", EngineState.ANSWERS),
    ],
)
def test_what_there_is(  # noqa: PLR0917 - fixtures and one row of the table
    host: Any,
    fake_docker: Any,
    nobody: EngineDownError,
    programs: list[str],
    down: str | None,
    at: str,
    expected: EngineState,
) -> None:
    for program in programs:
        host.program(program)
    errors = {"down": [nobody], "denied": [DENIED], "nowhere": [NOWHERE], "old": [OLD], None: []}[down]
    assert engine.observe(host.machine(), fake_docker(down=errors, at=at)) is expected


@pytest.mark.parametrize(
    ("state", "uid", "systemd", "expected"),
    [
        (EngineState.STOPPED, 0, True, "systemctl start docker"),
        (EngineState.STOPPED, 1000, True, "sudo systemctl start docker"),
        (EngineState.STOPPED, 0, False, "service docker start"),
        (EngineState.ABSENT, 1000, True, f"sudo apt-get update && sudo {INSTALL} && sudo systemctl start docker"),
        (EngineState.DENIED, 1000, True, 'sudo usermod -aG docker "$USER", then log in again'),
    ],
)
def test_the_command_to_type(host: Any, state: EngineState, uid: int, systemd: bool, expected: str) -> None:
    if systemd:
        (host.root / "run/systemd/system").mkdir(parents=True)
    assert engine.command(state, host.machine(uid=uid)) == expected


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (EngineState.ELSEWHERE, "DOCKER_HOST"),
        (EngineState.ELSEWHERE, "DOCKER_CONTEXT"),
        (EngineState.NOWHERE, "DOCKER_HOST"),
        (EngineState.NOWHERE, "DOCKER_CONTEXT"),
        (EngineState.SILENT, "DOCKER_HOST"),
    ],
)
def test_the_choice_of_another_engine_is_to_be_corrected(host: Any, state: EngineState, name: str) -> None:
    assert f"unset {name}, or " in engine.command(state, host.machine(environ={name: "tcp://10.0.0.9:1"}))


def test_no_command_is_made_up_for_another_system(host: Any) -> None:
    host.file("/etc/os-release", "ID=fedora\n")
    assert "documentation" in engine.command(EngineState.ABSENT, host.machine())
    assert not engine.can_fix(EngineState.ABSENT, host.machine())


def test_an_engine_that_answers_is_left_alone(host: Any, fake_docker: Any) -> None:
    host.program("/usr/bin/docker")
    assert bring_up(host, fake_docker()) == []
    assert host.run.calls == []


def test_a_missing_engine_is_installed_and_started(host: Any, fake_docker: Any) -> None:
    set_up_debian(host, apparmor=True)
    installed, started = bring_up(host, fake_docker())
    assert "docker.io" in installed
    assert "20.10.24" in started
    installs = [call for call in host.run.calls if call.startswith("apt-get install")]
    assert len(installs) == 1
    assert "--no-install-recommends" in installs[0]
    assert installs[0].endswith("docker.io iptables apparmor")
    assert host.run.calls.index(next(c for c in host.run.calls if "update" in c)) < host.run.calls.index(installs[0])
    assert host.run.calls[-1].startswith("start-stop-daemon --start --background")


def test_the_docker_command_is_installed_where_it_is_a_package_of_its_own(host: Any, fake_docker: Any) -> None:
    set_up_debian(host)

    def install(words: list[str]) -> None:
        host.program("/usr/bin/docker" if "docker-cli" in words else "/usr/sbin/dockerd")

    host.run.answers["apt-get install"] = install
    bring_up(host, fake_docker())
    assert any(call.endswith("docker-cli") for call in host.run.calls)


@pytest.mark.parametrize(
    ("state", "uid", "commands"),
    [
        (EngineState.ABSENT, 0, [f"apt-get update && {INSTALL}", "service docker start"]),
        (EngineState.STOPPED, 0, ["service docker start"]),
        (EngineState.ABSENT, 1000, []),
        (EngineState.ELSEWHERE, 0, []),
        (EngineState.NOWHERE, 0, []),
    ],
)
def test_every_change_is_planned_with_its_command_and_its_undo_and_nothing_is_run(
    host: Any, fake_docker: Any, state: EngineState, uid: int, commands: list[str]
) -> None:
    planned = engine.changes(state, host.machine(uid=uid), fake_docker())
    assert [change.command for change in planned] == commands
    assert all(change.undo and change.why for change in planned)
    assert host.run.calls == []


def test_a_failed_installation_says_apts_reason(host: Any, fake_docker: Any) -> None:
    set_up_debian(host)
    host.run.answers["apt-get install"] = 100
    with pytest.raises(HostError, match="apt-get install failed: E: ") as caught:
        bring_up(host, fake_docker())
    assert "docker.io" in (caught.value.next or "")


def test_systemd_starts_its_unit(host: Any, fake_docker: Any, nobody: EngineDownError) -> None:
    (host.root / "run/systemd/system").mkdir(parents=True)
    host.program("/usr/bin/docker")
    host.program("/usr/sbin/dockerd")
    host.run.answers["systemctl start docker.service"] = ""
    bring_up(host, fake_docker(down=[nobody]))
    assert host.run.calls == ["systemctl start docker.service"]


def test_an_init_script_that_gives_up_is_no_end(host: Any, fake_docker: Any) -> None:
    host.program("/etc/init.d/docker")
    host.program("/usr/sbin/dockerd")
    host.run.answers |= {"service docker start": 2, "start-stop-daemon": ""}
    engine.start(host.machine(), fake_docker())
    assert [call.split()[0] for call in host.run.calls] == ["service", "start-stop-daemon"]
    assert host.run.calls[-1].endswith("--exec /usr/sbin/dockerd")


def test_pid_files_of_the_dead_are_removed_and_of_the_living_kept(host: Any, fake_docker: Any) -> None:
    host.program("/usr/sbin/dockerd")
    host.run.answers["start-stop-daemon"] = ""
    host.file("/proc/5/comm", "bash\n")
    stale = host.file("/run/docker.pid", "5")
    living = host.file("/run/docker/containerd/containerd.pid", "6")
    host.file("/proc/6/comm", "containerd\n")
    engine.start(host.machine(), fake_docker())
    assert not stale.exists()
    assert living.exists()


def test_an_engine_that_ends_at_once_shows_its_last_words(host: Any, fake_docker: Any, nobody: EngineDownError) -> None:
    host.program("/usr/sbin/dockerd")
    host.run.answers["start-stop-daemon"] = ""
    host.file("/var/log/docker.log", "starting\nfailed to start daemon: Devices cgroup isn't mounted\n")
    with pytest.raises(HostError, match="Devices cgroup isn't mounted") as caught:
        engine.start(host.machine(), fake_docker(down=[nobody]))
    assert "docker.log" in (caught.value.next or "")


def test_an_engine_that_never_answers_is_given_up(host: Any, fake_docker: Any, nobody: EngineDownError) -> None:
    (host.root / "run/systemd/system").mkdir(parents=True)
    host.run.answers |= {"systemctl start": "", "journalctl -u docker": "no network\n"}
    with pytest.raises(HostError, match="no network"):
        engine.start(host.machine(), fake_docker(down=[nobody] * 9))


def test_a_unit_that_fails_is_systemds_error(host: Any, fake_docker: Any) -> None:
    (host.root / "run/systemd/system").mkdir(parents=True)
    host.run.answers["systemctl start"] = 1
    with pytest.raises(CommandError):
        engine.start(host.machine(), fake_docker())
