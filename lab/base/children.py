"""The processes that run for this lab: start one, end one with its group, kill all. `process` and `terminals` use it.

Every child has its own process group, so that Ctrl-C reaches only the lab. When the lab itself is killed with -9, the
groups end as well (`lab.base.orphans`), so that no half-made build or cluster continues without an owner.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from lab.base import orphans
from lab.base.errors import LabError

Child: TypeAlias = "subprocess.Popen[bytes]"
"""A command that runs beside the lab."""
AnyChild: TypeAlias = "subprocess.Popen[str] | subprocess.Popen[bytes]"
GRACE_S = 10.0
"""How long a child may take to end after SIGTERM."""
CANCEL_GRACE_S = 0.5
"""As GRACE_S, when the run was cancelled: a person waits."""
_running: set[AnyChild] = set()
_guard, _warden_guard = threading.Lock(), threading.Lock()


def warden() -> orphans.Warden:
    """Return the process that ends the lab's children when the lab is killed with -9."""
    with _warden_guard:  # a second one would not hear of the end of commands that the first one watches
        return _only_warden()


@cache
def _only_warden() -> orphans.Warden:
    child = subprocess.Popen(
        ["/bin/sh", "-c", orphans.WARDEN, "lab-warden", str(orphans.GRACE_S)],
        env={"PATH": os.environ.get("PATH", os.defpath)},
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.stdin is not None  # noqa: S101 - opened as a pipe above
    with child.stdin:
        pipe = os.dup(child.stdin.fileno())  # stays open until this process ends, however it ends
    child.returncode = 0  # nobody waits for it: it ends after this process
    return orphans.Warden(pipe)


def start_group(words: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """Start a command in a process group of its own, which ends with the lab.

    Raises:
        LabError: the program does not exist, or may not be run.
    """
    watch = warden()
    try:
        child = execute(words, start_new_session=True, **options)
    except FileNotFoundError as error:
        if error.filename != words[0]:  # the working directory
            raise
        raise LabError(f"command not found: {words[0]}", next=f"install {words[0]}, or put it on PATH") from error
    except PermissionError as error:
        raise LabError(
            f"permission denied: {words[0]}", next=f"chmod +x {words[0]}, or put another one on PATH"
        ) from error
    watch.watch_group(child.pid)
    with _guard:
        _running.add(child)
    return child


def execute(words: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """Start a program as execvp(3) does; `options` are those of Popen, with `env`."""
    try:
        return subprocess.Popen(words, **options)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        script = shutil.which(words[0], path=options["env"].get("PATH")) or words[0]
        return subprocess.Popen(["/bin/sh", script, *words[1:]], **options)  # a script without #!, as execvp(3) does


def forget(child: AnyChild) -> None:
    """Forget a child of `start_group` that has ended."""
    warden().forget_group(child.pid)
    with _guard:
        _running.discard(child)


def end(child: AnyChild, *, grace_s: float = GRACE_S) -> None:
    """End a child's whole group: SIGTERM, then SIGKILL."""
    send(child, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(grace_s)
    send(child, signal.SIGKILL)  # also for what the child started, if the child itself has ended
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(grace_s)


def send(child: AnyChild, how: signal.Signals) -> None:
    """Send a signal to a child's process group; nothing if it has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: PermissionError for a group of zombies
        os.killpg(child.pid, how)


# Python's own preexec_fn is not safe in a process with threads, so a short program takes the terminal.
# It also ends what nohup and a shell's `&` have set: a program that ignores Ctrl-C and SIGHUP.
_TAKES_TERMINAL = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "[signal.signal(one, signal.SIG_DFL) for one in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)]; "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


def start_in_terminal(argv: Sequence[str | Path], *, env: Mapping[str, str], terminal: int, cwd: Path | None) -> Child:
    """Start a program of the user that leads a session with a terminal of its own; `hang_up` ends it.

    It gets SIGHUP when the other end of the terminal is closed, also if the lab is killed with -9. `env` is its whole
    environment, `terminal` a file descriptor of its terminal.

    Raises:
        LabError: the program does not exist.
    """
    words = [str(word) for word in argv]
    if shutil.which(words[0], path=env.get("PATH")) is None:
        raise LabError(f"command not found: {words[0]}")
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _TAKES_TERMINAL, *words],
        env=dict(env),
        cwd=cwd,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    with _guard:
        _running.add(child)
    return child


def hang_up(child: Child) -> None:
    """End a program of `start_in_terminal` with its process group: SIGHUP, then SIGKILL."""
    for number in (signal.SIGHUP, signal.SIGKILL):
        send(child, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(CANCEL_GRACE_S)
    with _guard:
        _running.discard(child)


def kill_all() -> None:
    """Kill every process that still runs for this lab, without waiting: the lab itself ends at once."""
    with _guard:
        children = list(_running)
    for child in children:
        if child.returncode is None:
            send(child, signal.SIGKILL)
