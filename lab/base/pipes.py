"""Stream bytes out of a command and into a command, for data that does not fit into memory.

A command ends with its block: also after an error, Ctrl-C or `idle_s` seconds without progress.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from lab.base import cancel, children, process
from lab.base.errors import CommandError, CommandTimeout

_CHUNK = 1 << 20
_POLL_S = 0.2
_END_POLL_S = 0.02


def output_of(argv: Sequence[str], *, idle_s: float) -> Generator[bytes, None, None]:
    """Yield what a command writes to its standard output.

    Args:
        argv: program and arguments.
        idle_s: seconds without output after which the command is stopped.

    Raises:
        Cancelled: the run was cancelled meanwhile.
        CommandError: the exit status is not 0.
        CommandTimeout: the command made no progress in time.
    """
    with _started(argv) as (child, stdin, stdout, stderr):
        stdin.close()
        errors = _drained(stderr)
        while True:
            _wait_for(stdout, argv, idle_s, reading=True)
            if not (chunk := os.read(stdout.fileno(), _CHUNK)):
                break
            yield chunk
        _end(child, argv, idle_s, errors=errors)


def feed(argv: Sequence[str], chunks: Iterable[bytes], *, idle_s: float) -> str:
    """Write chunks to a command's standard input, wait for its end, and return what it printed; errors as `output_of`.

    `idle_s` also limits the time from the last chunk to the command's end.
    """
    with _started(argv) as (child, stdin, stdout, stderr):
        printed, errors = _drained(stdout), _drained(stderr)
        os.set_blocking(stdin.fileno(), False)
        with suppress(BrokenPipeError):  # the command has ended; its exit status and its errors say why
            for chunk in chunks:
                rest = memoryview(chunk)
                while rest:
                    _wait_for(stdin, argv, idle_s, reading=False)
                    rest = rest[os.write(stdin.fileno(), rest) :]
        stdin.close()
        _end(child, argv, idle_s, errors=errors)
        return printed()


@contextmanager
def _started(argv: Sequence[str]) -> Iterator[tuple[children.Child, IO[bytes], IO[bytes], IO[bytes]]]:
    child = process.start(argv, piped=True)
    assert child.stdin and child.stdout and child.stderr  # noqa: S101, PT018 - `piped` opens them
    try:
        yield child, child.stdin, child.stdout, child.stderr
    finally:
        process.stop(child)
        for stream in (child.stdin, child.stdout):
            with suppress(OSError):
                stream.close()


def _wait_for(stream: IO[bytes], argv: Sequence[str], idle_s: float, *, reading: bool) -> None:
    """Wait until a pipe can be read or written."""
    deadline = time.monotonic() + idle_s
    waiting = ([stream], []) if reading else ([], [stream])
    while not any(select.select(*waiting, [], _POLL_S)):
        cancel.token().check(argv[0])
        if time.monotonic() >= deadline:
            raise CommandTimeout(argv, timeout_s=idle_s)
    cancel.token().check(argv[0])


def _drained(stream: IO[bytes]) -> Callable[[], str]:
    """Read a pipe to its end in a thread, so that the command never waits for it; return a function for the text."""
    parts: list[bytes] = []

    def read() -> None:
        with stream:
            parts.extend(iter(lambda: stream.read(_CHUNK), b""))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()

    def text() -> str:
        thread.join(timeout=_POLL_S * 5)  # a grandchild may hold the pipe open
        return b"".join(parts).decode(errors="replace")

    return text


def _end(child: children.Child, argv: Sequence[str], idle_s: float, *, errors: Callable[[], str]) -> None:
    """Wait for the end of a command, and raise its error if it failed."""
    deadline = time.monotonic() + idle_s
    while (code := child.poll()) is None:
        cancel.token().check(argv[0])
        if time.monotonic() >= deadline:
            raise CommandTimeout(argv, timeout_s=idle_s)
        cancel.token().event.wait(_END_POLL_S)
    if code != 0:
        raise CommandError(argv, returncode=code, stderr=errors())
