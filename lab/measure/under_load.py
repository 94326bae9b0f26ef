"""Run commands while loads run: the start and the end of each command are marks on the loads' timelines.

```python
with UnderLoad(loads=(outer, inner), env=env, on_line=print) as under_load:
    under_load.rest(3)                                     # the phase "before"
    under_load.run(["kubectl", "--context=west", "delete", "pods", "--all"], during="pods are deleted")
    under_load.rest(3)
for recording in under_load.recordings:
    print(recording.phases())
```
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.base import process
from lab.base.errors import UsageError
from lab.measure.load import Running
from lab.measure.recording import Recording

DURING, AFTER = "during the command", "after the command"
"""Names of the phases that begin with the start and with the end of a command."""


@dataclass(frozen=True, kw_only=True)
class CommandRun:
    """A command that ran under load; the times are seconds since the load began.

    `output` has the lines of both streams in the order of their arrival. `exit_code` is 128 and the signal's number for
    a command that a signal ended, and None for one that was interrupted.
    """

    argv: tuple[str, ...]
    exit_code: int | None
    from_s: float
    to_s: float
    output: str


@dataclass(kw_only=True)
class UnderLoad:
    """Runs loads while the block runs, and commands meanwhile.

    At the end of the block the loads stop, and wait for the requests under way. After Ctrl-C they stop at once:
    `recordings` has what was measured until then, and `under_way` counts the requests that are in no recording.

    Args:
        loads: the loads, not yet started; at least one.
        env: variables of the commands, on top of what `runner` gives them.
        on_line: called with each line of a command's output as it comes, from another thread.
        runner: runs one command.
    """

    loads: Sequence[Running]
    env: Mapping[str, str] = field(default_factory=dict)
    on_line: Callable[[str], None] = lambda _: None
    runner: process.Run = process.run
    commands: list[CommandRun] = field(default_factory=list, init=False)
    under_way: int = field(default=0, init=False)
    _stopped: list[Recording] = field(default_factory=list, init=False)

    def __enter__(self) -> Self:
        """Start the loads."""
        for load in self.loads:
            load.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the loads."""
        try:
            if kind is None or not issubclass(kind, KeyboardInterrupt):
                self._stopped.extend(load.stop() for load in self.loads)
            else:
                self.under_way = sum(load.under_way for load in self.loads)
        finally:
            for load in self.loads:
                load.abandon()

    @property
    def now_s(self) -> float:
        """Seconds since the first load began."""
        return self.loads[0].now_s

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """The recording of each load; while they run, and after Ctrl-C, without the requests under way."""
        unfinished = self.loads[len(self._stopped) :]
        return (*self._stopped, *(load.so_far for load in unfinished))

    def rest(self, seconds: float) -> None:
        """Let the loads continue for this time."""
        self.loads[0].run(seconds)

    def mark(self, text: str) -> None:
        """Record a change at this moment; each recording starts a new phase here."""
        for load in self.loads:
            load.mark(text)

    @contextmanager
    def marked(self, *, during: str = DURING, after: str = AFTER) -> Iterator[None]:
        """Mark the start and the end of the block, however it ends; the texts are the names of the phases."""
        self.mark(during)
        try:
            yield
        finally:
            self.mark(after)

    def run(self, argv: Sequence[str], *, during: str = DURING, after: str = AFTER) -> CommandRun:
        """Run a command to its end, without a shell and with an empty standard input, and mark its start and end.

        Args:
            argv: program and arguments.
            during: name of the phase while it runs.
            after: name of the phase after it.

        Returns:
            The command with its exit code, whatever that is. After an interruption it is in `commands` only.
        """
        lines: list[str] = []

        def take(line: str) -> None:
            lines.append(line)
            self.on_line(line)

        from_s, code = self.now_s, None
        try:
            with self.marked(during=during, after=after):
                code = self.runner(argv, env=self.env, check=False, on_line=take).returncode
        finally:
            self.commands.append(
                CommandRun(
                    argv=tuple(argv),
                    exit_code=128 - code if code is not None and code < 0 else code,
                    from_s=from_s,
                    to_s=self.now_s,
                    output="\n".join(lines),
                )
            )
        return self.commands[-1]


def check_program(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Check that the program of a command exists, before a load starts.

    Raises:
        UsageError: it does not exist, or is not executable.
    """
    path = env.get("PATH") or os.environ.get("PATH")
    if shutil.which(argv[0], path=path) is not None:
        return
    file = Path(argv[0])
    if file.is_dir():
        raise UsageError(f"{argv[0]} is a folder, not a program", where="COMMAND", next="name a program")
    if os.sep in argv[0] and file.exists():
        raise UsageError(f"{argv[0]} is not executable", where="COMMAND", next=f"chmod +x {shlex.quote(argv[0])}")
    raise UsageError(
        f"command not found: {argv[0]}",
        where="COMMAND",
        next="check its name and PATH; a shell's own syntax needs a shell: -- sh -c '…'",
    )
