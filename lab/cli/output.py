"""Print results, warnings and JSON. Rich is imported by the first command that prints, not by `lab --help`."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

import typer

from lab.base import events

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_UNBROKEN = 10_000
"""Columns where there is no terminal: a table in a file or a pipe keeps each row on one line."""


_QUIET_S = 5.0
"""Seconds between two lines about what a command waits for, where there is no terminal."""
_PAGE = 100
"""Most columns of text that is laid out as a page, where there is no terminal."""
_PADDING = re.compile(r"[ \t]+(?=\n)")
_PLAIN = {"✓": "+", "✗": "x", "→": "->", "…": "...", "●": "*", "•": "*", "│": "|", "─": "-", "━": "-"}
"""What is printed for a symbol that the output's encoding lacks; others become a question mark."""
_GONE = frozenset({errno.EPIPE, errno.EIO})
"""Errors of a reader that has gone: a pipe's, and a terminal's whose window was closed."""


class Unfinished(Exception):
    """Ctrl-C has ended a command; the text tells what is done and left, and the next command."""


def out(*, soft_wrap: bool = False, page: bool = False) -> Console:
    """Return the console for results. With `soft_wrap` the terminal breaks long lines; a `page` is never wide."""
    from rich.console import Console

    pages = min(_PAGE, shutil.get_terminal_size((_PAGE, 0)).columns)
    width = None if sys.stdout.isatty() else pages if page else _UNBROKEN
    return Console(soft_wrap=soft_wrap, highlight=False, width=width)


def table_of(*columns: str, whole: Collection[str] = ()) -> Table:
    """Return a table without rows; cells of the columns in `whole` are never wrapped.

    A rule below the titles is for terminals: elsewhere it would be as long as the longest row.
    """
    from rich import box
    from rich.table import Table

    on_terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if on_terminal else None, pad_edge=False, collapse_padding=on_terminal)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in whole)
    return table


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
    """An output that discards the rest when nothing more can be printed; a run still restores the lab.

    A pipe into `head` is one case. Prints no blanks at the ends of lines, except on a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self.problem: OSError | None = None
        """Why output is lost, if not because its reader has gone."""
        self.discards = False
        """Whether nothing more can be printed: a command that runs until Ctrl-C ends then."""
        self._stream = stream
        self._terminal = stream.isatty()

    def write(self, text: str) -> int:
        """Write, or discard."""
        try:
            self._stream.write(text if self._terminal else _PADDING.sub("", text))
        except OSError as error:
            self._discard(error)
        return len(text)

    def flush(self) -> None:
        """Flush, or discard."""
        try:
            self._stream.flush()
        except OSError as error:
            self._discard(error)

    def _discard(self, error: OSError) -> None:
        self.discards = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        if error.errno not in _GONE:
            self.problem = error

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # Typer would write UTF-8 to it, whatever the encoding is, and get around `write`
            raise AttributeError(name)
        return getattr(self._stream, name)


@contextmanager
def unbroken() -> Iterator[Unbroken]:
    """Let commands print to an `Unbroken` while the block runs; to nowhere if an output was closed."""
    before = sys.stdout, sys.stderr
    codecs.register_error("plain", _plain)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - a device
        for stream in filter(None, before):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="plain")
        results, errors = (Unbroken(stream or nowhere) for stream in before)
        sys.stdout, sys.stderr = cast("TextIO", results), cast("TextIO", errors)
        try:
            yield results
        finally:
            for output in (results, errors):
                with suppress(ValueError):
                    output.flush()
            sys.stdout, sys.stderr = before


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Return plain text for symbols that an encoding lacks; an error handler of `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


@contextmanager
def until_ctrl_c() -> Iterator[None]:
    """End the block on Ctrl-C, and not the command: for commands that run until then."""
    with suppress(KeyboardInterrupt):
        yield


@contextmanager
def waiting(command: str) -> Iterator[None]:
    """Show progress on standard error: one line that changes on a terminal, else a line now and then."""
    console = err()
    if console.is_terminal:
        from rich.text import Text  # what programs print may look like rich's markup

        with console.status(command) as line, events.reporting(lambda text, _: line.update(Text(text))):
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
