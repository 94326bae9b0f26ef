"""Print results, warnings and JSON. Rich is imported by the first command that prints, not by `lab --help`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

import typer

from lab.base import events

if TYPE_CHECKING:
    from rich.console import Console

_UNBROKEN = 10_000
"""Columns where there is no terminal: a table in a file or a pipe keeps each row on one line."""


_QUIET_S = 5.0
"""Seconds between two lines about what a command waits for, where there is no terminal."""
_PAGE = 100
"""Columns of text that is laid out as a page, where there is no terminal."""


def out(*, soft_wrap: bool = False, page: bool = False) -> Console:
    """Return the console for results. With `soft_wrap` the terminal breaks long lines; a `page` has a fixed width."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PAGE if page else _UNBROKEN
    return Console(soft_wrap=soft_wrap, highlight=False, width=width)


def err() -> Console:
    """Return the console for warnings and errors."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, highlight=False)


def print_json(console: Console, value: object) -> None:
    """Print records as JSON, unwrapped and uncoloured."""
    from pydantic import TypeAdapter

    document = TypeAdapter(Any).dump_python(value, mode="json")
    console.print(json.dumps(document, indent=2), markup=False, highlight=False, soft_wrap=True)


class Unbroken:
    """Standard output that discards the rest when its reader has gone.

    A run that is piped into `head` still restores the lab.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or discard."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._discard()
            return len(text)

    def flush(self) -> None:
        """Flush, or discard."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._discard()

    def _discard(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def unbroken() -> Iterator[None]:
    """Let commands print to an `Unbroken` while the block runs; to nowhere if standard output was closed."""
    before = sys.stdout
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - a device
        sys.stdout = cast("TextIO", Unbroken(before or nowhere))
        try:
            yield
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
            sys.stdout = before


@contextmanager
def waiting(command: str) -> Iterator[None]:
    """Show progress on standard error: one line that changes on a terminal, else a line now and then."""
    console = err()
    if console.is_terminal:
        with console.status(command) as line, events.reporting(lambda text, _: line.update(text)):
            yield
        return
    next_s = time.monotonic() + _QUIET_S

    def tell(text: str, _: float | None) -> None:
        nonlocal next_s
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + _QUIET_S
            console.print(f"… {text}", markup=False)

    with events.reporting(tell):
        yield


def warn(message: object) -> None:
    """Print a warning; the command continues."""
    typer.echo(f"! {message}", err=True)


def done(message: object) -> None:
    """Print one thing that the command did."""
    typer.echo(f"✓ {message}")
