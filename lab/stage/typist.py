"""The stage's terminal: a step's command lines are typed into the consoles, as a person would do it."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lab.base import cancel, wait
from lab.base.errors import CommandError, CommandTimeout, LabError, WaitTimeout
from lab.base.wait import NotYet
from lab.scenario.commands import Line
from lab.scenario.terminal import STOP_S, LongRunning, OnLine
from lab.stage.console import Console
from lab.stage.consoles import Consoles
from lab.stage.typed_command import TypedCommand

_KEY_S, _LINE_S = 0.012, 0.9
"""Pause between two keys; of a long line, all pauses together."""
_POLL_S = 0.03
_PATIENCE_S = 2.0
"""A console that is busy for longer is mentioned to the presenter."""
_BUSY_S = 20.0
"""How long a step waits for a console that a person uses."""
_CTRL_C_S = 3.0
"""How long a command may take to end after Ctrl-C."""
_AT_ONCE_S = 0.5
"""The same, if the whole run was cancelled."""
_NOT_FOUND = 127
_INTERRUPTED = 130
"""Exit statuses of shells (POSIX; 128 and the number of a signal)."""
_OF_A_POD = re.compile(r"exit (code|status) 127")
_NAMES = re.compile(r"--(?:context|in|from|cluster)(?:=|\Z)")


@dataclass(kw_only=True)
class Typist:
    """A `Terminal` that types into consoles.

    Args:
        consoles: the consoles.
        names: the cluster of each name that a line can have: of clusters, roles and nodes.
        default: the cluster whose console gets lines that name no cluster.
        note: takes a sentence for the presenter.
        key_s: pause between two keys, in seconds.
    """

    consoles: Consoles
    names: Mapping[str, str]
    default: str
    note: Callable[[str], None] = lambda _: None
    key_s: float = _KEY_S

    def console(self, line: Line, *, beside: bool = False) -> str:
        """Return the console of the cluster that a line names last; `beside` one for a long-running command."""
        cluster = next(iter(reversed(list(self._named(line)))), self.default)
        return self.consoles.beside(cluster) if beside else cluster

    def run(self, line: Line, *, timeout_s: float, on_line: OnLine) -> None:
        """Type a line and wait for its end, as `Terminal` says."""
        console = self.consoles.get(self.console(line))
        command = self._type(console, line, on_line)
        try:
            wait.until(
                f"`{line.text}`",
                lambda: command.ended.is_set() or NotYet("it runs"),
                timeout_s=timeout_s,
                interval_s=_POLL_S,
            )
        except WaitTimeout as error:
            _interrupt(console, command, within_s=_CTRL_C_S)
            raise CommandTimeout((line.text,), timeout_s=timeout_s, stderr=command.output) from error
        except BaseException:
            _interrupt(console, command, within_s=_AT_ONCE_S)
            raise
        _judge(line, command, console)

    def start(self, line: Line, *, on_line: OnLine) -> LongRunning:
        """Type a line into another terminal of its cluster."""
        console = self.consoles.open_beside(self.console(line, beside=True))
        try:
            command = self._type(console, line, on_line)
        except BaseException:
            self.consoles.close(console.name)
            raise
        return _Beside(line=line, console=console, command=command, consoles=self.consoles)

    def _go_back(self, console: Console, pause: Callable[[], None]) -> None:
        """Go back to the folder to which the lines of steps are relative, if a person has left it."""
        if not console.is_elsewhere:
            return
        self.note(f"{console.title} is in another folder; the step goes back first")
        command = console.type(f"cd {shlex.quote(str(console.cwd))}", lambda _: None, pause=pause)
        if command is not None and not command.ended.wait(_CTRL_C_S):
            _interrupt(console, command, within_s=_AT_ONCE_S)

    def _named(self, line: Line) -> Iterator[str]:
        """Yield the clusters that a line names, in order."""
        for program in line.programs:
            words = iter(program)
            for word in words:
                found = word
                if _NAMES.match(word):
                    found = word.partition("=")[2] if "=" in word else next(words, "")
                elif program[0] != "docker":
                    continue
                if found in self.names:
                    yield self.names[found]

    def _type(self, console: Console, line: Line, on_line: OnLine) -> TypedCommand:
        """Wait until a console is ready, and type a line."""
        key_s = min(self.key_s, _LINE_S / len(line.text))
        waited, at_home = 0, False

        def pause() -> None:
            if key_s:
                wait.pause(key_s)
            cancel.token().check(line.text)

        def probe() -> TypedCommand | NotYet:
            nonlocal waited, at_home
            if not at_home and console.is_ready:
                at_home = True
                self._go_back(console, pause)
            command = console.type(line.text, on_line, pause=pause)
            if command is not None:
                return command
            waited += 1
            if waited == round(_PATIENCE_S / _POLL_S) and console.has_prompt:
                self.note(f"{console.title} is busy: finish or press Ctrl-C there")
            return NotYet(_why(console))

        try:
            return wait.until(console.title, probe, timeout_s=_BUSY_S, interval_s=_POLL_S)
        except WaitTimeout as error:
            if not console.is_alive or not console.has_prompt:
                what = "its shell shows no prompt" if console.is_alive else "its shell does not run"
                then = "look at your shell's start files, or use another one: SHELL=/bin/sh lab stage"
            else:
                what, then = "it is busy", "finish the line or the program there, or press Ctrl-C; then repeat the step"
            raise LabError(what, where=console.title, next=then) from error


def _why(console: Console) -> str:
    """Return why a console is not ready."""
    if not console.is_alive:
        return "its shell does not run"
    return "a person uses it" if console.has_prompt else "its shell starts"


def _interrupt(console: Console, command: TypedCommand, *, within_s: float) -> None:
    """Press Ctrl-C, and wait no longer than this for the command's end."""
    console.press_ctrl_c()
    if not command.ended.wait(within_s):
        console.forget(command)


def _judge(line: Line, command: TypedCommand, console: Console) -> None:
    """Raise the error of a command that has failed."""
    if command.status is None:
        raise LabError("its shell ended while the command ran", where=console.title, next="repeat the step")
    if command.status == _INTERRUPTED:
        raise LabError(f"`{line.text}` was interrupted there", where=console.title, next="repeat the step")
    if command.status == _NOT_FOUND and not _OF_A_POD.search(command.output):
        raise LabError(f"command not found: {line.programs[-1][0]}", where=console.title, next="lab doctor")
    if command.status != 0:
        raise CommandError((line.text,), returncode=command.status, stderr=command.output)


@dataclass(frozen=True, kw_only=True)
class _Beside:
    """A long-running command in a console of its own."""

    line: Line
    console: Console
    command: TypedCommand
    consoles: Consoles

    def exit_code(self) -> int | None:
        if not self.command.ended.is_set():
            return None
        return 1 if self.command.status is None else self.command.status

    def stop(self) -> None:
        try:
            if self.exit_code() is None:
                self.console.press_ctrl_c()
                with contextlib.suppress(WaitTimeout):
                    wait.until(
                        f"the end of `{self.line.text}`",
                        lambda: self.exit_code() is not None or NotYet("it runs"),
                        timeout_s=STOP_S,
                        interval_s=_POLL_S,
                    )
        finally:
            self.consoles.close(self.console.name)
