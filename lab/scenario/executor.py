"""Execute the actions of a step. Only the commands that are shown change a cluster.

Each command is an event before it runs, and each line of its output is one when it comes. A terminal runs the commands
(`lab.scenario.terminal`).
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lab.base import wait
from lab.base.errors import CommandError, CommandTimeout, LabError, WaitTimeout
from lab.base.redaction import redact
from lab.measure.recording import Recording
from lab.measure.under_load import UnderLoad
from lab.scenario import commands
from lab.scenario.actions import Action, Command, NewPhase, Observe, Pause, Start, Stop, Until
from lab.scenario.context import Context
from lab.scenario.loads import StepLoad
from lab.scenario.manifests import Manifests
from lab.scenario.terminal import LongRunning, Terminal

_TRIES, _AGAIN_S = 3, 1.0
_BROKEN_WEBHOOK = re.compile(r"failed calling webhook.*(EOF|connection (refused|reset))", re.DOTALL)
"""The API server has reused a connection that the webhook's server was closing (seen with Linkerd's validator)."""


@dataclass(frozen=True, kw_only=True)
class Typed:
    """A command was typed and runs now, in a console if the terminal has consoles."""

    text: str
    console: str | None = None


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A command printed a line, or the lab notes something."""

    line: str
    console: str | None = None


Output = Typed | Printed


@dataclass(kw_only=True)
class Executor:
    """Executes actions, for one lab.

    Args:
        context: the context of checks.
        manifests: returns the manifest files of a scenario.
        terminal: runs the command lines.
        tell: receives what is typed and printed.
    """

    context: Context
    manifests: Callable[[str], Manifests]
    terminal: Terminal
    tell: Callable[[Output], None] = lambda _: None
    _running: dict[str, LongRunning] = field(default_factory=dict)

    def do(self, scenario: str, actions: Sequence[Action], *, loads: UnderLoad | None = None) -> None:
        """Execute actions in order.

        Raises:
            LabError: a command failed, or a wait timed out.
        """
        for action in actions:
            self._one(scenario, action, loads)

    def under_load(self, scenario: str, actions: Sequence[Action], load: StepLoad) -> None:
        """Execute actions while a load runs, and put its recordings into the context's memo."""
        with load.start(self.context) as loads:
            self.do(scenario, actions, loads=loads)
        self.context.memo[load.key] = [recording.as_json() for recording in loads.recordings]
        for recording in loads.recordings:
            self._summary(recording)

    def undo(self, scenario: str, actions: Sequence[Action]) -> list[str]:
        """Execute the actions of an undo, all of them, and return the problems."""
        problems = []
        for action in actions:
            try:
                self._one(scenario, action, None)
            except Exception as error:  # the other actions must still run
                problems.append(error_text(error))
        return problems

    def close(self) -> None:
        """End the commands that still run, each of them, also if the time for it is over."""
        with contextlib.ExitStack() as stack:
            for text in list(self._running):
                stack.callback(self._stop, text)

    def _one(self, scenario: str, action: Action, loads: UnderLoad | None) -> None:
        match action:
            case Command():
                self._command(scenario, action)
            case Start():
                self._start(action)
            case Stop(text=text):
                self._stop(text)
            case NewPhase(text=text):
                if loads is not None:
                    loads.mark(text)
            case Pause(seconds=seconds, why=why):
                wait.rest(why, seconds)
            case Until():
                self._until(action)
            case Observe(key=key, look=look):
                self.context.memo[key] = look(self.context)
            case _:
                raise TypeError(f"{action!r} is not rendered")

    def _command(self, scenario: str, command: Command) -> None:
        for name in command.manifests:
            if note := self.manifests(scenario).write(name):
                self._print(note)
        lines = commands.parse(command.text)
        for number, line in enumerate(lines, start=1):
            try:
                self._typed(line, command)
            except CommandError as error:
                refused = command.refused and number == len(lines) and not isinstance(error, CommandTimeout)
                if not refused:
                    raise
                self.context.memo["refusal"] = redact(error.stderr.strip())
            else:
                if command.refused and number == len(lines):
                    self.context.memo["refusal"] = ""

    def _typed(self, line: commands.Line, command: Command) -> None:
        """Run one line; an `apply` whose webhook lost its connection is typed again, as a person would do."""
        console = self.terminal.console(line)
        for left in reversed(range(_TRIES)):
            self.tell(Typed(text=line.text, console=console))
            try:
                self.terminal.run(line, timeout_s=command.timeout_s, on_line=self._printing(console))
            except CommandError as error:
                if not left or " apply " not in line.text or not _BROKEN_WEBHOOK.search(error.stderr):
                    raise
                wait.rest("the API server's connection to a webhook broke", _AGAIN_S)
            else:
                return

    def _until(self, action: Until) -> None:
        def probe() -> bool | wait.NotYet:
            seen = action.look(self.context)
            return seen.holds or wait.NotYet(seen.seen)

        began = time.monotonic()
        try:
            wait.until(
                action.what,
                probe,
                timeout_s=action.timeout_s,
                interval_s=action.interval_s,
                successes=action.successes,
            )
        except WaitTimeout as error:
            if action.required:
                raise
            self._print(str(error))
        if action.measured:
            self.context.memo.setdefault(action.measured, []).append(round(time.monotonic() - began, 2))

    def _start(self, action: Start) -> None:
        self._stop(action.text)
        (line,) = commands.parse(action.text)
        console = self.terminal.console(line, beside=True)
        self.tell(Typed(text=line.text, console=console))
        show, said = self._printing(console), threading.Event()

        def on_line(text: str) -> None:
            show(text)
            if action.says in text:
                said.set()

        started = self._running[action.text] = self.terminal.start(line, on_line=on_line)

        def probe() -> bool | wait.NotYet:
            if (code := started.exit_code()) is not None:
                self._stop(action.text)  # its last lines are printed before the error
                raise LabError(f"`{action.text}` ended with exit code {code}", next="lab logs")
            seen = action.ready(self.context)
            if action.says and not said.is_set():
                return wait.NotYet(f"it has not printed {action.says!r}; {seen.seen}")
            return seen.holds or wait.NotYet(seen.seen)

        wait.until(f"`{action.text}`", probe, timeout_s=action.timeout_s)

    def _stop(self, text: str) -> None:
        started = self._running.get(text)
        if started is None:
            return
        try:
            if started.exit_code() is None:
                self._print(f"^C {text}")
            started.stop()
        finally:
            del self._running[text]

    def _print(self, line: str) -> None:
        self._printing(None)(line)

    def _printing(self, console: str | None) -> Callable[[str], None]:
        """Return a function that tells a line of a console's output."""
        return lambda line: self.tell(Printed(line=redact(line), console=console))

    def _summary(self, recording: Recording) -> None:
        self._print(f"{recording.name}, {recording.rate_per_s:g} requests/s")
        for phase in recording.phases():
            self._print(f"  {phase.words}")


def error_text(error: Exception) -> str:
    """Return an error for people, without secrets; one that is not the lab's own with its type."""
    return redact(str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}")


def transcript(output: Sequence[Output]) -> str:
    """Return what was typed and printed as a terminal would show it."""
    return "\n".join(f"$ {item.text}" if isinstance(item, Typed) else item.line for item in output)
