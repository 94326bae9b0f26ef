"""Every error the lab raises on purpose.

    LabError                 exit code 3: the lab broke
    ├── UsageError           exit code 2: the command line is not valid here
    │   ├── ConfigError      lab.toml is wrong; carries every problem at once
    │   └── UnavailableError no source has an artifact that the command needs
    ├── HostError            this machine lacks something; nothing was changed
    │   └── ForeignStateError another user owns the state folder
    ├── LockedError          another run works on the same lab
    ├── CommandError         a tool exited with an error
    │   └── CommandTimeout   a tool did not end in time
    ├── WaitTimeout          a wait timed out; carries the last observation
    ├── ArtifactError        an image, binary or file could not be built, fetched or trusted
    │   └── DigestError      content does not have the required digest
    ├── ClusterError         a cluster is missing, broken or not the lab's
    └── StepsFailed          steps of a plan failed; carries each one's error

`lab.cli.app` turns them into exit codes: 0 ok, 1 a check failed, 2 usage or configuration, 3 the lab broke,
130 interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class LabError(Exception):
    """An error that the user can act on.

    Args:
        what: what happened, one sentence without a full stop.
        where: the cluster, file with line, or step in which it happened, if there is one.
        next: the next command or action, if there is one.
    """

    exit_code = 3

    def __init__(self, what: str, *, where: str | None = None, next: str | None = None) -> None:  # noqa: A002
        super().__init__(what)
        self.what = what
        self.where = where
        self.next = next

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. Next: {self.next}" if self.next else text


class UsageError(LabError):
    """The command line is not valid, or not valid for this lab. Nothing was changed."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One error in a configuration file. `line` counts from 1; None if the error has no line."""

    key: str
    text: str
    line: int | None = None


class ConfigError(UsageError):
    """lab.toml is wrong; `problems` has all errors, not only the first."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        lines = [f"{file}:{p.line or 1}: {p.key}: {p.text}" for p in self.problems]
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        super().__init__(f"{count} in {file}\n  " + "\n  ".join(lines), next=f"edit {file} and run the command again")


class UnavailableError(UsageError):
    """No source has some of the artifacts that the command needs; the error names them. `wanted`: all that it needs."""

    def __init__(self, what: str, *, wanted: Sequence[str], next: str | None = None) -> None:  # noqa: A002
        super().__init__(what, next=next)
        self.wanted = tuple(wanted)


class HostError(LabError):
    """This machine lacks something that the lab needs; nothing was changed."""


class ForeignStateError(HostError):
    """Another user owns the lab's state folder. `take_over` is the command that gives it to this user."""

    def __init__(self, what: str, *, where: str, take_over: str) -> None:
        super().__init__(what, where=where, next="set LAB_STATE_DIR to another folder, or another `name` in lab.toml")
        self.take_over = take_over


class LockedError(LabError):
    """Another run works on the same lab."""


class CommandError(LabError):
    """A tool exited with an error. The output is the tool's own, shortened to its end."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        returncode: int,
        stdout: str = "",
        stderr: str = "",
        next: str | None = None,  # noqa: A002
    ) -> None:
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        tail = "\n    ".join((stderr.strip() or stdout.strip()).splitlines()[-12:])
        output = f"; it said:\n    {tail}\n " if tail else ""
        super().__init__(f"`{' '.join(self.argv)}` exited with {returncode}{output}", next=next)


class CommandTimeout(CommandError):
    """A tool did not end within its time and was stopped."""

    def __init__(self, argv: Sequence[str], *, timeout_s: float, stdout: str = "", stderr: str = "") -> None:
        super().__init__(argv, returncode=-1, stdout=stdout, stderr=stderr)
        self.what = f"`{' '.join(self.argv)}` did not end within {timeout_s:g} s"


class WaitTimeout(LabError):
    """A wait timed out. `last` is the last observation, as text."""

    def __init__(self, what: str, *, after_s: float, last: str, next: str | None = None) -> None:  # noqa: A002
        self.last = last
        super().__init__(f"timed out after {after_s:g} s waiting for {what} (last seen: {last})", next=next)


class ArtifactError(LabError):
    """An image, binary or file could not be built, fetched or trusted."""


class DigestError(ArtifactError):
    """Content does not have the digest that is required; it was deleted."""


class ClusterError(LabError):
    """A cluster is missing, broken or not the lab's."""


class StepsFailed(LabError):
    """Steps of a plan failed; `failures` maps each step's name to its error, in the order they failed."""

    def __init__(self, failures: Mapping[str, LabError]) -> None:
        self.failures = dict(failures)
        first = next(iter(self.failures.values()))
        lines = "\n  ".join(
            f"{name}: {error.where}: {error.what}" if error.where else f"{name}: {error.what}"
            for name, error in self.failures.items()
        )
        count = "1 step failed" if len(self.failures) == 1 else f"{len(self.failures)} steps failed"
        super().__init__(f"{count}\n  {lines}", next=first.next)
