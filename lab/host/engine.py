"""Find the Docker Engine; install the distribution's package and start the engine if needed."""

from __future__ import annotations

import shlex
from enum import Enum

from lab.base import events, wait
from lab.base.errors import CommandError, HostError, LabError
from lab.host import advice, debian
from lab.host.changes import MachineChange
from lab.host.machine import Machine
from lab.host.products import is_remote, product_at
from lab.tools.docker import Docker, Engine, EngineDeniedError, EngineDownError, EngineSilentError
from lab.tools.docker_errors import EndpointError, chosen_by, is_own

PID_FILE = "/run/docker.pid"
LOG = "/var/log/docker.log"
"""The engine's log; Debian's init script uses the same file."""
_OWN_PID_FILE = "/run/eastwest-lab-dockerd.pid"
_CONTAINERD_PID_FILE = "/run/docker/containerd/containerd.pid"
_START_S = 60


class EngineState(Enum):
    """The state of the Docker Engine, as this user sees it."""

    ANSWERS = "answers"
    DENIED = "answers, but not to this user"
    STOPPED = "installed, not running"
    ABSENT = "not installed"
    NO_COMMAND = "the docker command is not installed; DOCKER_HOST or DOCKER_CONTEXT names an engine elsewhere"
    SILENT = "does not answer in time: it hangs, or this machine is overloaded"
    NOWHERE = "the docker command's context does not exist, or its settings for the engine are wrong"
    UNUSABLE = "answers with an error"
    ELSEWHERE = "does not answer, and is not this machine's own"
    """DOCKER_HOST or the Docker context names another engine: in a virtual machine, on another computer, rootless."""


_REFUSALS = {
    EngineDeniedError: EngineState.DENIED,
    EngineSilentError: EngineState.SILENT,
    EndpointError: EngineState.NOWHERE,
}


def observe(machine: Machine, docker: Docker) -> EngineState:
    """Return the state of the engine, without changing it."""
    if machine.which("docker") is None:
        return EngineState.NO_COMMAND if _named_elsewhere(machine) else EngineState.ABSENT
    try:
        docker.info()
    except LabError as error:
        rest = None if isinstance(error, EngineDownError) else EngineState.UNUSABLE
        state = next((state for kind, state in _REFUSALS.items() if isinstance(error, kind)), rest)
    else:
        state = EngineState.ANSWERS
    if state is not None:
        return state
    if machine.system != "Linux" or not is_own(docker.endpoint()):
        return EngineState.ELSEWHERE
    return EngineState.STOPPED if machine.which("dockerd") else EngineState.ABSENT


def _named_elsewhere(machine: Machine) -> bool:
    """Whether the user's environment names an engine that is not this machine's own service."""
    host, context = machine.environ.get("DOCKER_HOST", ""), machine.environ.get("DOCKER_CONTEXT", "")
    return not is_own(host) if host else context not in {"", "default"}


_BY_HAND = {
    EngineState.NO_COMMAND: "install the docker command (Debian: docker-cli, Docker's own packages: docker-ce-cli)",
    EngineState.DENIED: 'sudo usermod -aG docker "$USER", then log in again',
    EngineState.UNUSABLE: "run `docker info` and read its error",
}


def command(state: EngineState, machine: Machine) -> str:
    """Return the command or instruction that makes the engine answer."""
    if state in _BY_HAND:
        return _BY_HAND[state]
    named = machine.environ.get("DOCKER_HOST", "")
    product = product_at(named, machine.environ.get("DOCKER_CONTEXT", ""))
    silent_elsewhere = state is EngineState.SILENT and bool(named) and not is_own(named)
    if silent_elsewhere or state in {EngineState.NOWHERE, EngineState.ELSEWHERE}:
        if is_remote(named):
            remote = "the lab does not work with an engine on another computer, whose ports are not on 127.0.0.1 here"
            return f"{chosen_by(machine.environ)} ({remote})"
        start = "start or restart that engine (such as Docker Desktop)"
        if product is not None:
            start = advice.start(product) or start
        return f"{'' if state is EngineState.NOWHERE else f'{start}, or '}{chosen_by(machine.environ)}"
    if state is EngineState.SILENT:
        restart = machine.as_root("systemctl restart docker" if machine.has_systemd else "service docker restart")
        return f"{restart} (Docker Desktop: Restart), then lab doctor"
    return _start_command(machine) if state is EngineState.STOPPED else _install_command(machine)


def _install_command(machine: Machine) -> str:
    """Return how to get an engine on a machine that has none."""
    if machine.is_wsl:
        return "Docker Desktop, Settings, Resources, WSL integration: turn it on for this distribution"
    if machine.system == "Darwin":
        return "install and start Docker Desktop, OrbStack, Rancher Desktop, or Colima (`brew install colima docker`)"
    if machine.is_debian:
        return f"{debian.command(_packages(machine), machine)} && {_start_command(machine)}"
    return "install Docker Engine or Docker Desktop, as its documentation says for this system, and start it"


def _start_command(machine: Machine) -> str:
    return machine.as_root("systemctl start docker" if machine.has_systemd else "service docker start")


def can_fix(state: EngineState, machine: Machine) -> bool:
    """Whether the lab can install or start the engine on this machine as this user."""
    if not machine.is_root or machine.system != "Linux":
        return False
    return state is EngineState.STOPPED or (state is EngineState.ABSENT and machine.is_debian)


def changes(state: EngineState, machine: Machine, docker: Docker) -> list[MachineChange]:
    """Plan to install the distribution's engine, if there is none, and to start it.

    Returns an empty plan if this user or this machine does not allow it.
    """
    if not can_fix(state, machine):
        return []
    planned = []
    if state is EngineState.ABSENT:
        packages = _packages(machine)
        planned.append(
            MachineChange(
                what=f"install the packages {', '.join(p.name for p in packages)}, and {debian.COMMAND.name} if needed",
                why="; ".join(f"{package.name}: {package.why}" for package in (*packages, debian.COMMAND)),
                command=debian.command(packages, machine),
                undo=debian.undo(packages, machine),
                apply=lambda: _install(machine),
            )
        )
    stop = machine.as_root("systemctl stop docker" if machine.has_systemd else "service docker stop")
    planned.append(
        MachineChange(
            what="start the Docker Engine as a service",
            why="the clusters' nodes are containers",
            command=_start_command(machine),
            undo=stop,
            apply=lambda: f"started Docker Engine {start(machine, docker).version}",
        )
    )
    return planned


def _install(machine: Machine) -> str:
    debian.update(machine)
    done = [package.name for package in debian.install(_packages(machine), machine)]
    if machine.which("docker") is None:
        done += [package.name for package in debian.install([debian.COMMAND], machine)]
    return f"installed {', '.join(done)}" if done else ""


def start(machine: Machine, docker: Docker) -> Engine:
    """Start the installed engine as a service that outlives the lab, and return when it answers.

    Raises:
        HostError: the engine does not start; the error has the last lines of its log.
    """
    if machine.has_systemd:
        machine.run(["systemctl", "start", "docker.service"], timeout_s=_START_S)
        return _answer(machine, docker, log="journalctl -u docker")
    _forget_dead(machine)
    if machine.path("/etc/init.d/docker").exists():
        # The script also raises resource limits. Without CAP_SYS_RESOURCE that fails, and the script gives up.
        script = machine.run(["service", "docker", "start"], check=False, timeout_s=_START_S)
        if script.returncode == 0:
            return _answer(machine, docker, log=LOG)
        events.progress("the init script failed; starting dockerd directly")
    words = ["--start", "--background", "--pidfile", _OWN_PID_FILE, "--make-pidfile", "--output", LOG, "--chdir", "/"]
    machine.run(["start-stop-daemon", *words, "--exec", machine.which("dockerd") or "dockerd"], timeout_s=_START_S)
    return _answer(machine, docker, log=LOG, pid_file=_OWN_PID_FILE)


def _packages(machine: Machine) -> tuple[debian.Package, ...]:
    apparmor = machine.read("/sys/module/apparmor/parameters/enabled").startswith("Y")
    return (*debian.ENGINE, debian.APPARMOR) if apparmor else debian.ENGINE


def _forget_dead(machine: Machine) -> None:
    """Remove pid files whose process is not dockerd or containerd.

    If /run is on a disk, the files outlive a reboot, and their numbers belong to other processes. The engine then
    refuses to start ("pid file found") or waits for a containerd that does not run.
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
                raise HostError(
                    f"dockerd exited right after its start{_log_end(machine, log)}", next=f"see {log}"
                ) from error
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
