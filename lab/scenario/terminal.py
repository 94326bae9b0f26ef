"""Where the command lines of a step run: as programs of this process, or typed into the consoles of a stage."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from lab.base import children, process, wait
from lab.base.errors import WaitTimeout
from lab.scenario import commands
from lab.scenario.commands import Line

STOP_S = 60.0
"""How long a long-running command may take to end after Ctrl-C."""
_LAST_LINES_S = 2.0
"""How long the last lines of a command that has ended may take."""

OnLine = Callable[[str], None]
"""Takes a line of output, from any thread."""


class LongRunning(Protocol):
    """A command that runs beside the step."""

    def exit_code(self) -> int | None:
        """Return its exit code; None while it runs."""

    def stop(self) -> None:
        """Press Ctrl-C, and return when the command has ended and its last lines are told.

        It has ended in any case, also if this raises Cancelled. Nothing happens if it has ended before.
        """


class Terminal(Protocol):
    """Runs command lines."""

    def console(self, line: Line, *, beside: bool = False) -> str | None:
        """Return the name of the console that runs a line, or starts it `beside` the step; None without consoles."""

    def run(self, line: Line, *, timeout_s: float, on_line: OnLine) -> None:
        """Run a line to its end.

        Args:
            line: the line.
            timeout_s: seconds for each program.
            on_line: takes the output.

        Raises:
            CommandError: it exited with an error; `stderr` is what it printed.
            CommandTimeout: it did not end in time.
            LabError: the program does not exist, or the line could not be run.
            Cancelled: the run was cancelled.
        """

    def start(self, line: Line, *, on_line: OnLine) -> LongRunning:
        """Start a line that runs until it is stopped.

        Raises:
            LabError: the program does not exist, or the line could not be run.
        """


@dataclass(frozen=True, kw_only=True)
class DirectTerminal:
    """Runs lines as programs of this process.

    Args:
        env: variables to add to this process's own (KUBECONFIG, PATH).
        runner: runs a program.
        starter: starts a long-running program.
    """

    env: Mapping[str, str]
    runner: process.Run = process.run
    starter: Callable[..., children.Child] = process.start

    def console(self, line: Line, *, beside: bool = False) -> str | None:  # noqa: ARG002 - as the Terminal says
        """Return None: a program needs no console."""
        return None

    def run(self, line: Line, *, timeout_s: float, on_line: OnLine) -> None:
        """Run a line to its end; the programs after one that fails do not run."""
        commands.run(line, env=self.env, timeout_s=timeout_s, on_line=on_line, runner=self.runner)

    def start(self, line: Line, *, on_line: OnLine) -> LongRunning:
        """Start a line of one program."""
        (argv,) = line.programs
        child = self.starter(argv, env=self.env, piped=True)
        streams = [stream for stream in (child.stdout, child.stderr) if stream is not None]
        readers = [threading.Thread(target=_drain, args=(stream, on_line), daemon=True) for stream in streams]
        for reader in readers:
            reader.start()
        return _Program(text=line.text, child=child, readers=readers)


@dataclass(frozen=True, kw_only=True)
class _Program:
    """A long-running program, and the threads that print its output."""

    text: str
    child: children.Child
    readers: Sequence[threading.Thread]

    def exit_code(self) -> int | None:
        return self.child.poll()

    def stop(self) -> None:
        try:
            if self.child.poll() is None:
                process.interrupt(self.child)
                with contextlib.suppress(WaitTimeout):
                    wait.until(
                        f"the end of `{self.text}`",
                        lambda: self.child.poll() is not None or wait.NotYet("it runs"),
                        timeout_s=STOP_S,
                    )
        finally:
            process.stop(self.child)
            if self.child.stdin is not None:
                self.child.stdin.close()
            for reader in self.readers:
                reader.join(timeout=_LAST_LINES_S)


def _drain(stream: IO[bytes], on_line: OnLine) -> None:
    with stream:
        for line in stream:
            on_line(line.decode("utf-8", "replace").rstrip("\n"))
