"""All consoles of a stage: one for each cluster, and others that steps open for commands that run beside them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lab.base.concurrency import each
from lab.base.names import Cluster, Json
from lab.lab import Lab
from lab.lifecycle import lock
from lab.shells import Shell
from lab.stage.console import Console, PreparedShell

_OF_THIS_TERMINAL = (
    *("COLUMNS", "LINES", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TERM_SESSION_ID", "VTE_VERSION", "WINDOWID"),
    *("ITERM_SESSION_ID", "ITERM_PROFILE", "LC_TERMINAL", "LC_TERMINAL_VERSION", "KITTY_WINDOW_ID", "KITTY_PID"),
    *("WT_SESSION", "WT_PROFILE_ID", "VSCODE_INJECTION", "VSCODE_GIT_IPC_HANDLE", "GNOME_TERMINAL_SCREEN"),
)
"""Variables with facts of the terminal where the stage was started."""


def environment(lab: Lab, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the consoles' shells: the user's, for the terminal in a browser.

    `lab` commands in it work on the lab while the stage holds its lock.
    """
    kept = {name: value for name, value in environ.items() if name not in _OF_THIS_TERMINAL}
    return {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", **lock.passed_on(lab.paths)}


def shells(
    lab: Lab, tools: Sequence[Path], *, environ: Mapping[str, str], config: Path | None
) -> Mapping[str, PreparedShell]:
    """Return the shell of each cluster.

    Args:
        lab: the lab.
        tools: the folders of its programs; `lab` itself comes after them.
        environ: the user's environment.
        config: the lab.toml that was named, if one was.
    """
    folders = (*tools, Path(sys.executable).parent)
    env = environment(lab, environ)

    def of(cluster: Cluster) -> PreparedShell:
        shell = Shell(lab=lab, cluster=cluster, tools=folders, config=config)
        return lambda marks: shell.prepared(env, marks=marks)

    return {name: of(cluster) for name, cluster in lab.clusters.items()}


@dataclass(kw_only=True)
class Consoles:
    """The consoles by name.

    Args:
        shells: prepares the shell of each cluster.
        cwd: the folder in which they start, and to which the lines of steps are relative.
        changed: called after a change of a console, or of their number, with the console's entry in the state.
        note: takes a sentence for the presenter.
        shown, resized: for a recording, as those of each console.
    """

    shells: Mapping[str, PreparedShell]
    cwd: Path = field(default_factory=Path.cwd)
    changed: Callable[[Json], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None
    shown: Callable[[str, bytes], None] = lambda *_: None
    resized: Callable[[str, int, int], None] = lambda *_: None
    _open: dict[str, Console] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def open_all(self) -> None:
        """Open the console of each cluster."""
        for cluster in self.shells:
            self._start(cluster, cluster, restarts=True)

    def get(self, name: str) -> Console:
        """Return a console.

        Raises:
            KeyError: it does not exist.
        """
        return self._open[name]

    def beside(self, cluster: str) -> str:
        """Return the name of another terminal of a cluster that is not open yet: `west-2`."""
        number = 2
        while f"{cluster}-{number}" in self._open:
            number += 1
        return f"{cluster}-{number}"

    def open_beside(self, name: str) -> Console:
        """Open another terminal of a cluster; `name` is from `beside`."""
        return self._start(name, name.rpartition("-")[0], restarts=False)

    def close(self, name: str) -> None:
        """Close a console."""
        with self._guard:
            console = self._open.pop(name, None)
        if console is not None:
            console.close()
            self.changed({**console.as_json(), "closed": True})

    def close_all(self) -> None:
        """Close all consoles; nothing of them runs afterwards."""
        with self._guard:
            consoles = list(self._open.values())
            self._open.clear()
        each(Console.close, consoles)

    def as_json(self) -> list[Json]:
        """Return their entries in the state."""
        with self._guard:
            consoles = list(self._open.values())
        return [console.as_json() for console in consoles]

    def _start(self, name: str, cluster: str, *, restarts: bool) -> Console:
        console = Console(
            name=name,
            cluster=cluster,
            shell=self.shells[cluster],
            cwd=self.cwd,
            restarts=restarts,
            changed=partial(_changed, self),
            note=self.note,
            shown=self.shown,
            resized=self.resized,
        )
        with self._guard:
            self._open[name] = console
        console.open()
        return console


def _changed(consoles: Consoles, console: Console) -> None:
    consoles.changed(console.as_json())


def here() -> Path:
    """Return the folder in which the stage was started, as the user's shell names it."""
    named = os.environ.get("PWD", "")
    return Path(named) if named and Path(named).is_dir() and Path(named).samefile(Path.cwd()) else Path.cwd()
