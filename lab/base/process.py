"""Run commands: to their end, beside the lab, or with the terminal.

When the run is cancelled, `run` ends its command's process group and raises Cancelled.
"""

from __future__ import annotations

import contextlib
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
from pathlib import Path
from typing import IO, Protocol

from lab.base import cancel, children, environment
from lab.base.children import Child
from lab.base.errors import CommandError, CommandTimeout, LabError

_log = logging.getLogger(__name__)
_LAST_LINES_S = 0.5
"""How long the next line of a command that has ended may take."""
_POLL_S = 0.2
"""Seconds between two checks of a running command whether the run was cancelled."""


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A process that has ended. `duration_s` is wall-clock time."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    duration_s: float


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
    child = children.start_group(
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
            children.end(child, grace_s=children.CANCEL_GRACE_S)
        children.forget(child)
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
        children.end(child)
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
    return children.start_group(
        [str(word) for word in argv],
        env=_environ(env, inherit=inherit),
        cwd=cwd,
        stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
        stdout=subprocess.PIPE if piped else None,
        stderr=subprocess.PIPE if piped else None,
        bufsize=0,
    )


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
    programs: list[Child] = []
    ended = threading.Event()

    def end() -> None:  # an interactive shell ignores SIGTERM; a second signal waits for nothing
        for child in programs:
            child.send_signal(signal.SIGKILL if ended.is_set() else signal.SIGHUP)
        ended.set()

    warden = children.warden()
    with _terminal_back(), cancel.left_to(end):
        programs.append(child := children.execute(words, env=dict(env)))
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
    children.send(child, signal.SIGINT)


def stop(child: Child) -> None:
    """End a command that `start` started, with its whole process group."""
    if child.poll() is None:
        children.end(child, grace_s=children.CANCEL_GRACE_S if cancel.token().cancelled else children.GRACE_S)
    children.forget(child)
