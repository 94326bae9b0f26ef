"""Where commands print. Rich is imported by the first command that prints, not by `lab --help`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

_UNBROKEN = 10_000
"""Columns where there is no terminal: a table in a file or a pipe keeps each row on one line."""


def out(*, soft_wrap: bool = False) -> Console:
    """Return the console for results. With `soft_wrap` the terminal breaks long lines."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _UNBROKEN
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


def warn(words: object) -> None:
    """Print one thing that is not as it should be, and does not stop the command."""
    typer.echo(f"! {words}", err=True)


def done(words: object) -> None:
    """Print one thing that was done."""
    typer.echo(f"✓ {words}")
