"""Consoles with real shells, without a lab."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.base import wait
from lab.base.wait import NotYet
from lab.shells import start_files
from lab.shells.start_files import Settings
from lab.stage.console import Console, PreparedShell
from lab.stage.plain_lines import LineReader

SHELLS = ("bash", "zsh", "fish", "sh")


def missing(name: str) -> bool:
    return shutil.which(name) is None


def prepared(folder: Path, shell: str, *, cluster: str = "west", home: Path | None = None) -> PreparedShell:
    """Return how to start a shell with the lab's start files, for a user without files of their own."""
    home = home or folder / "home"
    home.mkdir(exist_ok=True, parents=True)
    environ = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
        "SHELL": shutil.which(shell) or shell,
        "ENV": str(home / ".shrc"),
    }

    @contextmanager
    def prepare(marks: str) -> Iterator[tuple[Sequence[str], Mapping[str, str]]]:
        files = folder / f"files-{cluster}-{marks}"
        files.mkdir(parents=True)
        settings = Settings(cluster=cluster, color="#c2410c", variables={}, tools="/usr/bin", marks=marks)
        started = start_files.write(files, settings, environ=environ)
        try:
            yield started.argv, {**environ, **started.env}
        finally:
            shutil.rmtree(files)

    return prepare


@dataclass
class Browser:
    """A viewer that keeps what it was shown."""

    shown: bytes = b""
    over: bool = False
    sizes: list[tuple[int, int]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    def receive(self, data: bytes) -> None:
        self.shown += data

    def sized(self, cols: int, rows: int) -> None:
        self.sizes.append((cols, rows))

    def ended(self) -> None:
        self.over = True

    @property
    def lines(self) -> list[str]:
        """What a person reads."""
        return lines_of(self.shown)

    def see(self, line: str) -> None:
        """Wait for a whole line."""
        wait.until(line, lambda: line in self.lines or NotYet(repr(self.lines)), timeout_s=60, interval_s=0.02)

    def see_bytes(self, data: bytes) -> None:
        wait.until(repr(data), lambda: data in self.shown or NotYet(repr(self.shown)), timeout_s=60, interval_s=0.02)


def lines_of(shown: bytes) -> list[str]:
    reader = LineReader()
    return [*reader.feed(shown), reader.rest()]


@contextmanager
def console_of(folder: Path, shell: str, *, home: Path | None = None, **options: Any) -> Iterator[Console]:
    """Yield a console whose shell shows its first prompt."""
    notes: list[str] = options.pop("notes", [])
    made = Console(
        name="west",
        cluster="west",
        shell=options.pop("prepared", None) or prepared(folder, shell, home=home),
        cwd=folder,
        note=notes.append,
        **options,
    )
    made.open()
    try:
        ready(made)
        yield made
    finally:
        made.close()


def ready(console: Console) -> None:
    wait.until(console.title, lambda: console.is_ready or NotYet("not ready"), timeout_s=60, interval_s=0.02)
