"""The real command line, walked: every command with its path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from lab.cli.app import app

ROOT: Any = typer.main.get_command(app)


def every(command: Any = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each command and group with the words that name it."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from every(inner, (*path, name))
