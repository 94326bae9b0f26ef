"""Execute the actions of a step. Only the commands that are shown change a cluster.

Each command is an event before it runs, and each line of its output is one when it comes.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO

from lab.base import process, wait
from lab.base.errors import CommandError, CommandTimeout, LabError, WaitTimeout
from lab.base.redaction import redact
from lab.measure.recording import Recording
from lab.measure.under_load import UnderLoad
from lab.scenario import commands
from lab.scenario.actions import Action, Command, NewPhase, Observe, Pause, Start, Stop, Until
from lab.scenario.context import Context
from lab.scenario.loads import StepLoad
from lab.scenario.manifests import Manifests

_STOP_S = 60.0
"""How long a long-running command may take to end after Ctrl-C."""
_LAST_LINES_S = 2.0
"""How long the last lines of a command that has ended may take."""

_TRIES, _AGAIN_S = 3, 1.0
_BROKEN_WEBHOOK = re.compile(r"failed calling webhook.*(EOF|connection (refused|reset))", re.DOTALL)
"""The API server has reused a connection that the webhook's server was closing (seen with Linkerd's validator)."""


@dataclass(frozen=True, kw_only=True)
class Typed:
    """A command was typed and runs now."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A command printed a line, or the lab notes something."""

    line: str


Output = Typed | Printed


@dataclass(frozen=True, kw_only=True)
class _Started:
    """A long-running command, and the threads that print its output."""

    child: process.Child
    readers: Sequence[threading.Thread]


@dataclass(kw_only=True)
class Executor:
    """Executes actions, for one lab.

    Args:
        context: the context of checks.
        manifests: returns the manifest files of a scenario.
        tell: receives what is typed and printed.
        runner: runs a program.
        start: starts a long-running program.
    """

    context: Context
    manifests: Callable[[str], Manifests]
    tell: Callable[[Output], None] = lambda _: None
    runner: process.Run = process.run
    start: Callable[..., process.Child] = process.start
    _running: dict[str, _Started] = field(default_factory=dict)

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
            for text in self._running:
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
        for left in reversed(range(_TRIES)):
            self.tell(Typed(text=line.text))
            try:
                commands.run(
                    line, env=self.context.env, timeout_s=command.timeout_s, on_line=self._print, runner=self.runner
                )
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
        (argv,) = line.programs
        self.tell(Typed(text=line.text))
        child = self.start(argv, env=self.context.env, piped=True)
        streams = [stream for stream in (child.stdout, child.stderr) if stream is not None]
        readers = [threading.Thread(target=self._drain, args=(stream,), daemon=True) for stream in streams]
        self._running[action.text] = _Started(child=child, readers=readers)
        for reader in readers:
            reader.start()

        def probe() -> bool | wait.NotYet:
            if child.poll() is not None:
                self._stop(action.text)  # its last lines are printed before the error
                raise LabError(f"`{action.text}` ended with exit code {child.returncode}", next="lab logs")
            seen = action.ready(self.context)
            return seen.holds or wait.NotYet(seen.seen)

        wait.until(f"`{action.text}`", probe, timeout_s=action.timeout_s)

    def _stop(self, text: str) -> None:
        started = self._running.get(text)
        if started is None:
            return
        child = started.child
        try:
            if child.poll() is None:
                self._print(f"^C {text}")
                process.interrupt(child)
                with contextlib.suppress(WaitTimeout):
                    wait.until(
                        f"the end of `{text}`",
                        lambda: child.poll() is not None or wait.NotYet("it runs"),
                        timeout_s=_STOP_S,
                    )
        finally:
            process.stop(child)
            if child.stdin is not None:
                child.stdin.close()
            for reader in started.readers:
                reader.join(timeout=_LAST_LINES_S)
            del self._running[text]

    def _drain(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._print(line.decode("utf-8", "replace").rstrip("\n"))

    def _print(self, line: str) -> None:
        self.tell(Printed(line=redact(line)))

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
