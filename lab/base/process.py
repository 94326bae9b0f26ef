"""Start processes. No other module does.

Every child has its own process group, so that Ctrl-C reaches only the lab. When the run is cancelled, `run` ends its
child's group and raises Cancelled. When the lab itself is killed with -9, the groups end as well (`lab.base.orphans`),
so that no half-made build or cluster continues without an owner.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias

from lab.base import cancel, environment, orphans
from lab.base.errors import CommandError, CommandTimeout, LabError

_log = logging.getLogger(__name__)
_GRACE_S = 10.0
_CANCEL_GRACE_S = 0.5
_LAST_LINES_S = 0.5
"""How long the next line of a command that has ended may take."""
_POLL_S = 0.2
"""Seconds between two checks of a running command whether the run was cancelled."""
_running: set[subprocess.Popen[str] | subprocess.Popen[bytes]] = set()
_guard, _warden_guard = threading.Lock(), threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A process that has ended. `duration_s` is wall-clock time."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    duration_s: float


Child: TypeAlias = "subprocess.Popen[bytes]"
"""A command that runs beside the lab."""


class Run(Protocol):
    """The shape of `run`, for tools that take it as a parameter."""

    def __call__(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002
        cwd: Path | None = None,
        timeout_s: float | None = None,
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a command to its end."""


def _warden() -> orphans.Warden:
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


def _popen(words: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """Start a command in a process group of its own, which ends with the lab.

    Raises:
        LabError: the program does not exist, or may not be run.
    """
    warden = _warden()
    try:
        child = _execute(words, start_new_session=True, **options)
    except FileNotFoundError as error:
        if error.filename != words[0]:  # the working directory
            raise
        raise LabError(f"command not found: {words[0]}", next=f"install {words[0]}, or put it on PATH") from error
    except PermissionError as error:
        raise LabError(
            f"permission denied: {words[0]}", next=f"chmod +x {words[0]}, or put another one on PATH"
        ) from error
    warden.watch_group(child.pid)
    with _guard:
        _running.add(child)
    return child


def _execute(words: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    try:
        return subprocess.Popen(words, **options)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        script = shutil.which(words[0], path=options["env"].get("PATH")) or words[0]
        return subprocess.Popen(["/bin/sh", script, *words[1:]], **options)  # a script without #!, as execvp(3) does


def _forget(child: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    _warden().forget_group(child.pid)
    with _guard:
        _running.discard(child)


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    input: str | None = None,  # noqa: A002
    cwd: Path | None = None,
    timeout_s: float | None = None,
    check: bool = True,
    on_line: Callable[[str], None] | None = None,
    inherit: bool = False,
) -> Completed:
    """Run a command to its end and return what it printed.

    Args:
        argv: program and arguments; never a shell line. Secrets belong in `input` or in files, not here.
        env: variables on top of what the lab's commands inherit (`lab.base.environment`).
        input: text for the command's standard input; without it standard input is empty.
        cwd: working directory.
        timeout_s: seconds after which the command is stopped; None for no limit.
        check: raise when the exit status is not 0.
        on_line: called with each line of either stream as it comes, from another thread. If it raises, it is not
            called again, and its error is raised when the command has ended.
        inherit: as in `start`.

    Raises:
        Cancelled: the run was cancelled before or meanwhile; the command's whole group was ended.
        CommandError: the exit status is not 0 and `check` is set.
        CommandTimeout: the command did not end in time.
        LabError: the program does not exist.
    """
    words = tuple(str(word) for word in argv)
    began = time.monotonic()
    cancel.token().check(words[0])
    child = _popen(
        words,
        env=_environ(env, inherit=inherit),
        cwd=cwd,
        stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        stdout, stderr = _communicate(child, words, input=input, timeout_s=timeout_s, on_line=on_line)
    finally:
        if child.poll() is None:  # only after an interruption: a timeout has stopped it already
            _stop(child, grace_s=_CANCEL_GRACE_S)
        _forget(child)
    done = Completed(
        argv=words,
        returncode=child.returncode,
        stdout=stdout,
        stderr=stderr,
        duration_s=time.monotonic() - began,
    )
    _log.debug("%s exited with %d after %.2f s", " ".join(words), done.returncode, done.duration_s)
    if check and done.returncode != 0:
        raise CommandError(words, returncode=done.returncode, stdout=stdout, stderr=stderr)
    return done


def _environ(env: Mapping[str, str] | None, *, inherit: bool) -> Mapping[str, str]:
    return {**os.environ, **(env or {})} if inherit else environment.of_child(env)


def _communicate(
    child: subprocess.Popen[str],
    words: tuple[str, ...],
    *,
    input: str | None,  # noqa: A002
    timeout_s: float | None,
    on_line: Callable[[str], None] | None,
) -> tuple[str, str]:
    outputs: tuple[list[str], list[str]] = ([], [])
    broken: list[BaseException] = []

    def drain(stream: IO[str], into: list[str]) -> None:
        with stream:
            for line in stream:  # to its end, also if `on_line` fails: a full pipe would block the command
                into.append(line)
                if on_line is not None and not broken:
                    try:
                        on_line(line.rstrip("\n"))
                    except BaseException as error:  # raised in the thread that called `run`
                        broken.append(error)

    assert child.stdout is not None and child.stderr is not None  # noqa: S101, PT018 - opened as pipes above
    readers = [
        threading.Thread(target=drain, args=(stream, into), daemon=True)
        for stream, into in zip((child.stdout, child.stderr), outputs, strict=True)
    ]
    for reader in readers:
        reader.start()
    if child.stdin is not None:
        threading.Thread(target=_feed, args=(child.stdin, input or ""), daemon=True).start()
    if not _ended(child, words, timeout_s):
        _stop(child)
        raise CommandTimeout(words, timeout_s=timeout_s or 0, stdout="".join(outputs[0]), stderr="".join(outputs[1]))
    for reader, into in zip(readers, outputs, strict=True):
        _read_to_its_end(reader, into)
    if broken:
        raise broken[0]
    return "".join(outputs[0]), "".join(outputs[1])


def _read_to_its_end(reader: threading.Thread, lines: Sequence[str]) -> None:
    """Wait until the output of a command that has ended is read.

    A program that the command left in the background may hold the pipe open: then until nothing comes any more.
    """
    read = -1
    while reader.is_alive() and len(lines) > read:
        read = len(lines)
        reader.join(timeout=_LAST_LINES_S)


def _feed(stream: IO[str], text: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # the command may end before it has read everything
        stream.write(text)
    with contextlib.suppress(BrokenPipeError):
        stream.close()


def _ended(child: subprocess.Popen[str], words: tuple[str, ...], timeout_s: float | None) -> bool:
    """Wait until a child ends; False after `timeout_s`."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    token = cancel.token()
    while True:
        left_s = _POLL_S if deadline is None else min(_POLL_S, deadline - time.monotonic())
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, left_s))
            return True
        token.check(words[0])
        if deadline is not None and time.monotonic() >= deadline:
            return False


def _stop(child: subprocess.Popen[str] | subprocess.Popen[bytes], *, grace_s: float = _GRACE_S) -> None:
    """End a child's whole group: SIGTERM, then SIGKILL."""
    _signal(child, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(grace_s)
    _signal(child, signal.SIGKILL)  # also for what the child started, if the child itself has ended
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(grace_s)


def _signal(child: subprocess.Popen[str] | subprocess.Popen[bytes], how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: PermissionError for a group of zombies
        os.killpg(child.pid, how)


def start(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    piped: bool = False,
    inherit: bool = False,
) -> Child:
    """Start a command that runs beside the lab; the caller ends it with `stop`.

    Args:
        argv: program and arguments.
        env: variables on top of what it inherits.
        cwd: working directory.
        piped: give it pipes; else it shares the lab's output, and its input is empty.
        inherit: give it the user's whole environment, for the user's own program; else that of the lab's commands.

    Raises:
        LabError: the program does not exist.
    """
    return _popen(
        [str(word) for word in argv],
        env=_environ(env, inherit=inherit),
        cwd=cwd,
        stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
        stdout=subprocess.PIPE if piped else None,
        stderr=subprocess.PIPE if piped else None,
        bufsize=0,
    )


# Python's own preexec_fn is not safe in a process with threads, so a short program takes the terminal.
_TAKES_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
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
        _signal(child, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_CANCEL_GRACE_S)
    with _guard:
        _running.discard(child)


def foreground(argv: Sequence[str | Path], *, env: Mapping[str, str]) -> int:
    """Let a program of the user have the terminal until it ends, and return its exit status as a shell counts it.

    Ctrl-C reaches only the program. A signal that ends the lab ends the program first.

    Args:
        argv: program and arguments.
        env: its whole environment.

    Raises:
        LabError: the program does not exist.
    """
    words = [str(word) for word in argv]
    if shutil.which(words[0], path=env.get("PATH")) is None:
        raise LabError(f"command not found: {words[0]}")
    children: list[subprocess.Popen[bytes]] = []
    ended = threading.Event()

    def end() -> None:  # an interactive shell ignores SIGTERM; a second signal waits for nothing
        for child in children:
            child.send_signal(signal.SIGKILL if ended.is_set() else signal.SIGHUP)
        ended.set()

    warden = _warden()
    with _terminal_back(), cancel.left_to(end):
        children.append(child := _execute(words, env=dict(env)))
        warden.watch_program(child.pid)
        if ended.is_set():  # the signal came before the program
            child.send_signal(signal.SIGHUP)
        code = int(child.wait())
        warden.forget_program(child.pid)
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _terminal_back() -> Iterator[None]:
    """Make the terminal's foreground the same after the block: a shell that was killed has not done it."""
    try:
        terminal = sys.stdin.fileno()
        foreground = os.tcgetpgrp(terminal)
    except (OSError, ValueError):  # there is no terminal
        yield
        return
    try:
        yield
    finally:
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        try:
            if foreground == os.getpgrp():
                with contextlib.suppress(OSError):  # the terminal was closed
                    os.tcsetpgrp(terminal, foreground)
        finally:
            signal.signal(signal.SIGTTOU, before)


def interrupt(child: Child) -> None:
    """Press Ctrl-C in the terminal of a command that `start` started."""
    _signal(child, signal.SIGINT)


def stop(child: Child) -> None:
    """End a command that `start` started, with its whole process group."""
    if child.poll() is None:
        _stop(child, grace_s=_CANCEL_GRACE_S if cancel.token().cancelled else _GRACE_S)
    _forget(child)


def kill_all() -> None:
    """Kill every process that still runs for this lab, without waiting: the lab itself ends at once."""
    with _guard:
        children = list(_running)
    for child in children:
        if child.returncode is None:
            _signal(child, signal.SIGKILL)
