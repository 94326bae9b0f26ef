"""The Docker Engine itself: is one there, and if not, the distribution's is installed and started."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from enum import Enum

from lab.base import events, wait
from lab.base.errors import CommandError, HostError, LabError
from lab.base.step import UNCHANGED, StepResult, StepStatus
from lab.host import debian
from lab.host.machine import Machine
from lab.tools.docker import Docker, Engine, EngineDeniedError, EngineDownError, EngineSilentError

Confirm = Callable[[str], bool]
"""Asks a person; True is yes. None in its place means that nobody is there to ask: say it and do it."""

SOCKET = "unix:///var/run/docker.sock"
PID_FILE = "/run/docker.pid"
LOG = "/var/log/docker.log"
"""Where Debian's init script puts it too."""
_OWN_PID_FILE = "/run/eastwest-lab-dockerd.pid"
_CONTAINERD_PID_FILE = "/run/docker/containerd/containerd.pid"
_START_S = 60


class EngineState(Enum):
    """What there is of an engine."""

    ANSWERS = "answers"
    DENIED = "answers, but not to this user"
    STOPPED = "installed, not running"
    ABSENT = "not installed"
    SILENT = "does not answer in time: it hangs, or this machine is overloaded"
    ELSEWHERE = "does not answer, and is not this machine's own"
    """DOCKER_HOST or the Docker context names another place: a virtual machine, another computer, a user's own."""


def observe(machine: Machine, docker: Docker) -> EngineState:
    """Say what there is, without changing it."""
    if machine.which("docker") is None:
        return EngineState.ABSENT
    try:
        docker.info()
    except EngineDeniedError:
        return EngineState.DENIED
    except EngineSilentError:
        return EngineState.SILENT
    except EngineDownError:
        pass
    else:
        return EngineState.ANSWERS
    if machine.system != "Linux" or docker.endpoint() not in {SOCKET, "unix:///run/docker.sock"}:
        return EngineState.ELSEWHERE
    return EngineState.STOPPED if machine.which("dockerd") else EngineState.ABSENT


def command(state: EngineState, machine: Machine) -> str:
    """Return what a person types so that an engine answers."""
    if state is EngineState.DENIED:
        return 'sudo usermod -aG docker "$USER", then log in again'
    if state is EngineState.SILENT:
        restart = machine.as_root("systemctl restart docker" if machine.has_systemd else "service docker restart")
        return f"{restart} (Docker Desktop: Restart), then lab doctor"
    if state is EngineState.ELSEWHERE:
        return "start the engine that DOCKER_HOST or `docker context ls` names (Docker Desktop: start the application)"
    start = machine.as_root("systemctl start docker" if machine.has_systemd else "service docker start")
    if state is EngineState.STOPPED:
        return start
    if machine.is_debian:
        return f"{debian.command(_packages(machine), machine)} && {start}"
    return "install Docker Engine or Docker Desktop, as its documentation says for this system, and start it"


def can_fix(state: EngineState, machine: Machine) -> bool:
    """Whether `ensure` may bring an engine up on this machine, as this user."""
    if not machine.is_root or machine.system != "Linux":
        return False
    return state is EngineState.STOPPED or (state is EngineState.ABSENT and machine.is_debian)


def ensure(
    *,
    install: bool = True,
    confirm: Confirm | None = None,
    machine: Machine | None = None,
    docker: Docker | None = None,
) -> StepResult:
    """Return when an engine answers; install and start the distribution's where none does.

    Args:
        install: whether this machine may be changed at all.
        confirm: asks a person first; None where nobody is there to ask.
        machine: where to look.
        docker: the engine to ask for.

    Raises:
        HostError: there is no engine, and it may not or cannot be brought up; carries the command that does.
    """
    machine, docker = machine or Machine(), docker or Docker()
    state = observe(machine, docker)
    if state is EngineState.ANSWERS:
        return UNCHANGED
    what, way = f"container engine: {state.value}", command(state, machine)
    if not install or not can_fix(state, machine):
        raise HostError(what, next=way)
    verb = "Start it" if state is EngineState.STOPPED else "Install this distribution's Docker Engine and start it"
    if confirm is not None and not confirm(f"{what}. {verb} ({way})?"):
        raise HostError(f"{what}, and was not to be changed", next=way)
    events.progress(f"{what}: {way}")
    done: list[str] = []
    if state is EngineState.ABSENT:
        debian.update(machine)
        done += [package.name for package in debian.install(_packages(machine), machine)]
        if machine.which("docker") is None:
            done += [package.name for package in debian.install([debian.COMMAND], machine)]
    engine = start(machine, docker)
    installed = f"installed {', '.join(done)}; " if done else ""
    return StepResult(status=StepStatus.CHANGED, detail=f"{installed}started Docker Engine {engine.version}")


def start(machine: Machine, docker: Docker) -> Engine:
    """Start the installed engine, so that it outlives the lab, and return when it answers.

    Raises:
        HostError: it does not come up; carries the last words of its log.
    """
    if machine.has_systemd:
        machine.run(["systemctl", "start", "docker.service"], timeout_s=_START_S)
        return _answer(machine, docker, log="journalctl -u docker")
    _forget_dead(machine)
    if machine.path("/etc/init.d/docker").exists():
        # It also raises limits, which a machine that lacks CAP_SYS_RESOURCE does not allow; the script then gives up.
        script = machine.run(["service", "docker", "start"], check=False, timeout_s=_START_S)
        if script.returncode == 0:
            return _answer(machine, docker, log=LOG)
        events.progress("the init script could not start the engine; starting it directly")
    words = ["--start", "--background", "--pidfile", _OWN_PID_FILE, "--make-pidfile", "--output", LOG, "--chdir", "/"]
    machine.run(["start-stop-daemon", *words, "--exec", machine.which("dockerd") or "dockerd"], timeout_s=_START_S)
    return _answer(machine, docker, log=LOG, pid_file=_OWN_PID_FILE)


def _packages(machine: Machine) -> tuple[debian.Package, ...]:
    apparmor = machine.read("/sys/module/apparmor/parameters/enabled").startswith("Y")
    return (*debian.ENGINE, debian.APPARMOR) if apparmor else debian.ENGINE


def _forget_dead(machine: Machine) -> None:
    """Remove pid files that name no engine.

    Where /run is on a disk they outlive a reboot, their numbers then belong to other processes, and the engine refuses
    to start ("pid file found") or waits for a containerd that is none.
    """
    for pid_file, program in ((PID_FILE, "dockerd"), (_CONTAINERD_PID_FILE, "containerd"), (_OWN_PID_FILE, "dockerd")):
        if machine.pid(pid_file, program) is None:
            machine.path(pid_file).unlink(missing_ok=True)


def _answer(machine: Machine, docker: Docker, *, log: str, pid_file: str | None = None) -> Engine:
    def probe() -> Engine | wait.NotYet:
        try:
            return docker.info()
        except EngineDownError as error:
            if pid_file is not None and machine.pid(pid_file, "dockerd") is None:
                raise HostError(f"the engine ended at once{_log_end(machine, log)}", next=f"see {log}") from error
            return wait.NotYet(error.what)

    try:
        return wait.until("the Docker Engine answers", probe, timeout_s=_START_S, next=f"see {log}")
    except LabError as error:
        if isinstance(error, HostError):
            raise
        raise HostError(f"{error.what}{_log_end(machine, log)}", next=f"see {log}") from error


def _log_end(machine: Machine, log: str) -> str:
    if log.startswith("/"):
        lines = machine.read(log).splitlines()
    else:
        try:
            lines = machine.run([*shlex.split(log), "-n", "5", "--no-pager"], timeout_s=10).stdout.splitlines()
        except CommandError:
            lines = []
    return "; its log ends:\n    " + "\n    ".join(lines[-5:]) if lines else ""
