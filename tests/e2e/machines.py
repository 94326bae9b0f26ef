"""Another machine on this one: an engine in network and mount namespaces of its own, and an ordinary user beside it.

The engine has no image, and no way out: its only route leads into a device where every packet is recorded and dropped.
The user has neither root's rights nor a compiler: PATH has the lab, docker, curl and what each system has.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.base import wait
from lab.base.paths import PROJECT
from lab.base.wait import NotYet
from tests.e2e.conftest import CommandLine

USER_ID = 12345
NEEDED = ("unshare", "nsenter", "setpriv", "ip", "dockerd", "containerd")
"""The programs of this machine that make another one."""
PROGRAMS = ("docker", "curl", "sh", "cat", "cp", "mkdir", "rm", "sed", "sleep")
"""The programs of an ordinary user, besides the lab."""
_START_S, _STOP_S, _COMMAND_S = 60.0, 60.0, 1200.0
_HERE = Path(__file__).parent
_OWN, _GATEWAY, _OUTSIDE = "192.0.2.1", "192.0.2.2", "198.51.100.1"
"""Addresses for documentation, which no host has (RFC 5737)."""

_FILES = """
set -eu
mount --make-rprivate /
# Python may be in a folder that only root can open: then only that part of the folder remains, for everybody.
if [ -n "$CLOSED" ]; then
    mkdir -p "$FOLDER/python"
    mount --bind "$PYTHON" "$FOLDER/python"
    mount -t tmpfs -o mode=755 tmpfs "$CLOSED"
    mkdir -p "$PYTHON"
    mount --move "$FOLDER/python" "$PYTHON"
fi
for file in $REPLACED; do mount --bind "$FOLDER/etc/${file##*/}" "$file"; done
"""
_ROOT = """
set -eu
mount --make-rprivate /
if [ -n "$SYSTEM" ]; then
    mount --bind "$SYSTEM" "$SYSTEM"
    mount -t tmpfs tmpfs "$SYSTEM/tmp"
    mount -t tmpfs tmpfs "$SYSTEM/run"
    mkdir -p "$SYSTEM$FOLDER" "$SYSTEM/lib/modules" "$SYSTEM/before"
    mount --bind "$FOLDER" "$SYSTEM$FOLDER"
    mount -t proc proc "$SYSTEM/proc"
    mount -t sysfs sysfs "$SYSTEM/sys"
    mount --rbind /sys/fs/cgroup "$SYSTEM/sys/fs/cgroup"
    mount --rbind /dev "$SYSTEM/dev"
    cd "$SYSTEM"
    # Not chroot: `docker exec` would leave it.
    pivot_root . before
    umount -l /before
fi
for file in $REPLACED; do touch "$file"; mount --bind "$FOLDER/etc/${file##*/}" "$file"; done
"""
_ENGINE = f"""
ip link set lo up
ip link add egress type veth peer name nowhere
echo 1 > /proc/sys/net/ipv6/conf/egress/disable_ipv6
ip address add {_OWN}/24 dev egress
ip link set egress up
ip link set nowhere up
ip neighbour add {_GATEWAY} lladdr 02:00:00:00:00:01 dev egress
ip route add default via {_GATEWAY}
containerd --config "$FOLDER/containerd.toml" > "$FOLDER/containerd.log" 2>&1 &
while [ ! -S "$FOLDER/run/containerd.sock" ]; do sleep 0.1; done
exec dockerd --config-file "$FOLDER/daemon.json" --containerd "$FOLDER/run/containerd.sock" \\
    --host "unix://$FOLDER/docker.sock" --data-root "$FOLDER/data" --exec-root "$FOLDER/run/docker" \\
    --pidfile "$FOLDER/run/docker.pid" > "$FOLDER/dockerd.log" 2>&1
"""
_CONTAINERD = """
version = 2
root = "{folder}/containerd"
state = "{folder}/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{folder}/run/containerd.sock"
"""


@contextmanager
def folder_for_a_machine() -> Iterator[Path]:
    """Make a folder that every user may open, with a path that is short enough for the engine's sockets.

    Skips the test where no engine in namespaces of its own can be started.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can start an engine in namespaces of its own")
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        pytest.skip(f"this machine lacks {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="lab-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@dataclass(kw_only=True)
class Machine:
    """An engine in its own namespaces. `folder` has all of its files."""

    folder: Path
    env: Mapping[str, str]
    process: subprocess.Popen[bytes]
    recorder: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    def inside(self, *argv: str | Path) -> list[str]:
        """Return a command of this machine's programs on the other's network and with its files in /etc, as root."""
        pid = (self.folder / "run/docker.pid").read_text().strip()
        variables = [f"{name}={self.env[name]}" for name in ("FOLDER", "PYTHON", "CLOSED", "REPLACED")]
        files = ["env", *variables, "unshare", "--mount", "sh", "-c", f'{_FILES}exec "$@"', "sh"]
        return ["nsenter", f"--net=/proc/{pid}/ns/net", *files, *map(str, argv)]

    def docker(self, *words: str) -> str:
        argv = ["docker", "--host", f"unix://{self.socket}", *words]
        return subprocess.run(argv, text=True, capture_output=True, check=True).stdout

    def used_bytes(self) -> int:
        """Return the disk space that the engine and its users occupy."""
        done = subprocess.run(["du", "-s", "-x", "-B1", self.folder], text=True, capture_output=True, check=False)
        return int(done.stdout.split()[0])

    def packets(self) -> list[str]:
        """Return the packets that tried to leave so far: protocol, ends, and the name that was asked for."""
        return (self.folder / "packets").read_text().splitlines()

    def last_packet(self) -> str:
        """Let one packet leave, and return its line: without it at the end, an empty record proves nothing."""
        send = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', ('{_OUTSIDE}', 9))"
        subprocess.run(self.inside(sys.executable, "-S", "-c", send), check=True)
        line = f"udp {_OWN} > {_OUTSIDE}:9"
        wait.until("the last packet", lambda: line in self.packets() or NotYet("not recorded"), timeout_s=10)
        return line


@contextmanager
def another_machine(
    folder: Path, *, etc: Mapping[str, str] | None = None, system: Path | None = None, containerd_store: bool = False
) -> Iterator[Machine]:
    """Start a machine while the block runs, and leave nothing of it.

    Args:
        folder: a folder for its files that does not exist yet.
        etc: files that it has instead of this machine's, by path, with their content.
        system: the root folder of another system, whose engine it runs; by default this machine's.
        containerd_store: whether the engine keeps images in containerd, as new ones do.
    """
    folder.mkdir(mode=0o755)
    replaced = {"/etc/resolv.conf": "nameserver 198.51.100.53\n", **(etc or {})}
    (folder / "etc").mkdir()
    for path, content in replaced.items():
        (folder / "etc" / Path(path).name).write_text(content)
    for name in ("run", "data", "containerd"):
        (folder / name).mkdir()
    (folder / "containerd.toml").write_text(_CONTAINERD.format(folder=folder))
    (folder / "daemon.json").write_text(json.dumps(_settings(system, containerd_store=containerd_store)))
    env = {
        **os.environ,
        "FOLDER": str(folder),
        "PYTHON": sys.base_prefix,
        "CLOSED": _closed_folder(Path(sys.base_prefix)),
        "REPLACED": " ".join(replaced),
        "SYSTEM": str(system or ""),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    argv = ["unshare", "--net", "--mount", "sh", "-c", _ROOT + _ENGINE]
    with (folder / "setup.log").open("wb") as log:
        process = subprocess.Popen(argv, env=env, stdout=log, stderr=log, start_new_session=True)
        made = Machine(folder=folder, env=env, process=process)
        try:
            wait.until("the other machine's engine", lambda: _answers(made), timeout_s=_START_S, interval_s=0.2)
            _record(made)
            yield made
        finally:
            _stop(made)
            shutil.rmtree(folder)


def _settings(system: Path | None, *, containerd_store: bool) -> dict[str, Any]:
    """Return the engine's settings: this machine's own, with the lab's runtime where it is needed, or none."""
    own = Path("/etc/docker/daemon.json")
    given = json.loads(own.read_text()) if system is None and own.exists() else {}
    return {**given, "features": {"containerd-snapshotter": True}} if containerd_store else given


def _closed_folder(path: Path) -> str:
    """Return the outermost folder on a path that an ordinary user cannot open; empty if all are open."""
    closed = [folder for folder in [*reversed(path.parents), path] if not folder.stat().st_mode & 0o001]
    return str(closed[0]) if closed else ""


def _answers(machine: Machine) -> bool | NotYet:
    if machine.process.poll() is not None:
        logs = [(machine.folder / f"{name}.log") for name in ("setup", "containerd", "dockerd")]
        raise AssertionError("\n".join(log.read_text()[-2000:] for log in logs if log.exists()))
    try:
        machine.docker("info")
    except subprocess.CalledProcessError as error:
        return NotYet(error.stderr)
    machine.socket.chmod(0o660)
    os.chown(machine.socket, 0, USER_ID)
    return True


def _record(machine: Machine) -> None:
    """Record each packet that leaves through the machine's only route."""
    target = machine.folder / "packets"
    with target.open("wb") as file:
        argv = machine.inside(sys.executable, "-S", _HERE / "egress.py", "egress")
        machine.recorder = subprocess.Popen(argv, stdout=file, stderr=file)
    wait.until("the recorder", lambda: bool(machine.packets()) or NotYet("no line"), timeout_s=10, interval_s=0.1)


def _stop(machine: Machine) -> None:
    if machine.socket.exists() and machine.process.poll() is None:
        for container in machine.docker("ps", "--all", "--quiet").split():
            machine.docker("rm", "--force", "--volumes", container)
    if machine.recorder is not None:
        machine.recorder.terminate()
        machine.recorder.wait(10)
    machine.process.terminate()
    try:
        machine.process.wait(_STOP_S)
    finally:
        os.killpg(machine.process.pid, signal.SIGKILL)  # containerd, in the same session
        wait.until("the machine's processes", lambda: _is_gone(machine) or NotYet("running"), timeout_s=10)


def _is_gone(machine: Machine) -> bool:
    try:
        os.killpg(machine.process.pid, 0)
    except ProcessLookupError:
        return True
    return False


@dataclass(frozen=True, kw_only=True)
class OrdinaryUser:
    """A user of a machine with an empty HOME, without root's rights, and with the package in a virtual environment."""

    machine: Machine
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, machine: Machine, package: Path | str, *, env: Mapping[str, str] | None = None) -> OrdinaryUser:
        """Make the user, and install the package for them with pip."""
        folder = machine.folder / "user"
        for name in ("home", "work", "bin"):
            (folder / name).mkdir(parents=True)
        for program in PROGRAMS:
            (folder / "bin" / program).symlink_to(str(shutil.which(program)))
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        pip = [folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
        subprocess.run(pip, check=True)
        for path in [folder, *folder.rglob("*")]:
            os.lchown(path, USER_ID, USER_ID)
        return cls(machine=machine, folder=folder, env=env or {})

    def argv(self, *command: str | Path) -> list[str]:
        """Return a command of this user on the machine."""
        own = {
            "HOME": str(self.folder / "home"),
            "USER": "ada",
            "PATH": f"{self.folder / 'venv/bin'}:{self.folder / 'bin'}",
            "DOCKER_HOST": f"unix://{self.machine.socket}",
            "LANG": "C.UTF-8",
            "COLUMNS": "120",
            **self.env,
        }
        ids = f"--reuid={USER_ID} --regid={USER_ID} --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs"
        variables = [f"{name}={value}" for name, value in own.items()]
        moved = ["env", f"--chdir={self.folder / 'work'}", "-i", *variables, *map(str, command)]
        return self.machine.inside("setpriv", *ids.split(), *moved)

    def lab(self, *words: str | Path, exit_code: int = 0) -> str:
        """Run a command of the lab to its end, and return what it printed."""
        done = subprocess.run(
            self.argv(self.folder / "venv/bin/lab", *words),
            stdin=subprocess.DEVNULL,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_COMMAND_S,
            check=False,
        )
        assert done.returncode == exit_code, f"lab {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}"
        return done.stdout


def save_bundle(folder: Path, stack: str) -> Path:
    """Save a stack's artifacts of this machine, which are built before if they are missing, into a bundle."""
    here = CommandLine(folder=folder / "here", name="bundled", toml=f'stack = "{stack}"\n')
    here.run("artifacts", "build")
    file = folder / "lab.bundle"
    here.run("bundle", "save", str(file), "--stack", stack)
    return file


def build_wheel(folder: Path, *, project: Path = PROJECT) -> Path:
    """Build the project's wheel into a folder."""
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(project)]
    subprocess.run(argv, check=True)
    (wheel,) = folder.glob("eastwest_lab-*.whl")
    return wheel
