"""The lab on macOS, as far as Linux can show: Python without what only Linux has, and the kernel's files absent.

`mypy --platform darwin` (`nox -s lint`) finds names that do not exist there; these tests run the commands.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab.base.paths import PROJECT
from lab.host.doctor.snapshot import HostProbes

_DARWIN = """
import asyncio, multiprocessing, os, platform, select, signal, socket, ssl, subprocess, sys, urllib.request, webbrowser
# These have parts for each system, chosen when they are imported.
import filelock, kubernetes.client, oras.client, platformdirs, psutil, python_on_whales, requests, rich.console
import watchfiles

for module, names in {
    os: "sched_getaffinity memfd_create pidfd_open posix_fadvise splice setns unshare eventfd getresuid O_PATH",
    socket: "AF_NETLINK AF_PACKET AF_VSOCK SO_BINDTODEVICE SO_PEERCRED SOCK_CLOEXEC SOCK_NONBLOCK",
    signal: "SIGPWR SIGRTMIN SIGRTMAX SIGSTKFLT SIGPOLL sigtimedwait sigwaitinfo pidfd_send_signal",
    select: "epoll",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)

KERNEL = ("/proc/", "/sys/", "/run/", "/etc/os-release")
def no_linux_file(event, arguments):
    if event != "open" or not isinstance(arguments[0], (str, bytes)):
        return
    reader = sys._getframe(1).f_globals["__name__"]  # psutil has its own way to the same facts on each system
    if os.fsdecode(arguments[0]).startswith(KERNEL) and not reader.startswith("psutil"):
        raise FileNotFoundError(2, "No such file or directory", arguments[0])
sys.addaudithook(no_linux_file)

sys.platform = "darwin"
platform.system = lambda: "Darwin"
platform.machine = lambda: "arm64"

def denied(*_, **__):
    raise psutil.AccessDenied(1)
psutil.net_connections = denied
"""
_IMPORTS = """
import importlib, pkgutil
import lab, scenarios
INSIDE = ("lab.clusters.kind.innode", "lab.dev.inpod", "scenarios.probe_client")  # programs of nodes and pods
for package in (lab, scenarios):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith(("__main__", "conftest")) and ".test_" not in found.name:
            if not found.name.startswith(INSIDE):
                importlib.import_module(found.name)
print(len([name for name in sys.modules if name.startswith(("lab.", "scenarios."))]))
"""
_COMMAND = "from lab.cli.app import main\nsys.argv = ['lab', *sys.argv[1:]]\nmain()\n"


def darwin(folder: Path, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python that looks like the one of macOS, with a home whose folders have spaces."""
    library = folder / "home" / "Library"
    environment = {
        "HOME": str(folder / "home"),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DOCKER_HOST": os.environ["DOCKER_HOST"],
        "LAB_STATE_DIR": str(library / "Application Support" / "eastwest-lab"),
        "LAB_CACHE_DIR": str(library / "Caches" / "eastwest-lab"),
    }
    argv = [sys.executable, "-c", _DARWIN + program, *words]
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    done = darwin(tmp_path, _IMPORTS)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        ("--help", 0, "Lifecycle:"),
        ("version", 0, "lab "),
        ("up --plan --stack istio", 0, "west/podinfo"),
        ("run --list", 0, "isolation"),
        ("artifacts list", 0, "kubectl"),
        ("doctor", 3, "engine"),
    ],
)
def test_commands_need_nothing_of_linux(tmp_path: Path, words: str, status: int, expected: str) -> None:
    done = darwin(tmp_path, _COMMAND, *words.split())
    assert done.returncode == status, done.stdout + done.stderr
    assert expected in done.stdout
    assert "Traceback" not in done.stderr


def test_the_stand_in_has_no_kernel_files(tmp_path: Path) -> None:
    done = darwin(tmp_path, "open('/proc/self/status')")
    assert "FileNotFoundError" in done.stderr


def test_an_ordinary_user_of_macos_sees_the_listeners_of_the_own_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(**_: Any) -> None:
        raise psutil.AccessDenied(1)

    monkeypatch.setattr(psutil, "net_connections", denied)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        mine = [end for end in HostProbes().listeners() if end.port == port]
    assert [(end.ip, end.pid) for end in mine] == [("127.0.0.1", os.getpid())]


def test_a_port_is_in_use_also_where_it_could_be_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    # macOS lets a program bind 127.0.0.1 while another one listens on all addresses.
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(socket.socket, "bind", lambda *_: None)
        assert not HostProbes().port_is_free("127.0.0.1", port)
    assert HostProbes().port_is_free("127.0.0.1", port)
