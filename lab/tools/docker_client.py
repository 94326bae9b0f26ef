"""Run the `docker` command, through python-on-whales or with plain arguments, both with a time limit.

python-on-whales starts `docker` by `subprocess.run`, without a time limit, and accepts no other runner. All its
commands reach that call through `python_on_whales.utils`, whose name `subprocess` is replaced once by `_Bounded`, which
hands the arguments to `lab.base.process`: a hung engine ends in an error, and Ctrl-C ends the command.
The library is imported at its first use, since the import takes a fifth of a second.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from lab.base import process, wait
from lab.base.errors import CommandError, CommandTimeout, LabError
from lab.base.process import Completed
from lab.tools.docker_errors import EngineDownError, EngineSilentError, chosen_by, explain, is_own

if TYPE_CHECKING:
    from python_on_whales import DockerClient

T = TypeVar("T")
OnLine = Callable[[str], None]
ANSWER_S = 20.0
"""Time limit of a query, in seconds; under the load of two starting clusters the engine needed 3 s at most."""
_LIST_TRIES = 5
_LIST_PAUSE_S = 0.2
"""A network that another program creates or deletes is listed for a moment and cannot be inspected."""
_NO_PROGRAM = "command not found: docker"
ABSENT = re.compile(r"no such (?:container|network|image|object)|network \S+ not found", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class _Call:
    run: process.Run
    timeout_s: float


_call: ContextVar[_Call] = ContextVar("docker call")


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """The attributes of a `subprocess.CompletedProcess` that python-on-whales reads."""

    returncode: int
    stdout: bytes
    stderr: bytes


class _Bounded:
    """Replaces `subprocess` in python-on-whales."""

    PIPE = -1

    @staticmethod
    def run(args: Sequence[str], *, input: bytes | None = None, **_: object) -> _Ended:  # noqa: A002
        """Run a command to its end, within the client's time limit."""
        call = _call.get()
        text = None if input is None else input.decode()
        # The environment that python-on-whales passes is a copy of this process's own.
        done = call.run(args, input=text, timeout_s=call.timeout_s, check=False)
        return _Ended(returncode=done.returncode, stdout=done.stdout.encode(), stderr=done.stderr.encode())


@cache
def _bound_library() -> None:
    from python_on_whales import utils  # noqa: PLC0415

    setattr(utils, "subprocess", _Bounded)  # noqa: B010 - mypy refuses to assign to a module's import


@dataclass(frozen=True)
class EngineClient:
    """Runs `docker` for the engine that DOCKER_HOST or the current Docker context names, or for `host`."""

    host: str | None = None
    run: process.Run = field(default=process.run, repr=False)
    answer_s: float = ANSWER_S

    @contextmanager
    def _client(self, *, timeout_s: float | None = None) -> Iterator[DockerClient]:
        """Yield python-on-whales' client; each of its commands ends within `timeout_s`, else `answer_s`."""
        import python_on_whales  # noqa: PLC0415
        from python_on_whales import exceptions  # noqa: PLC0415

        _bound_library()
        timeout_s = timeout_s or self.answer_s
        token = _call.set(_Call(run=self.run, timeout_s=timeout_s))
        try:
            yield python_on_whales.DockerClient(host=self.host, client_type="docker")
        except CommandTimeout as error:
            raise self._silent(error, timeout_s) from error
        except exceptions.DockerException as error:
            argv = [Path(error.docker_command[0]).name, *(str(word) for word in error.docker_command[1:])]
            plain = CommandError(
                argv, returncode=error.return_code, stdout=error.stdout or "", stderr=error.stderr or ""
            )
            raise explain(plain) from error
        except python_on_whales.ClientNotFoundError as error:
            raise EngineDownError(_NO_PROGRAM, next="lab doctor --fix") from error
        finally:
            _call.reset(token)

    def _ask(self, *words: str) -> str:
        """Run a quick query with plain arguments, and return its output."""
        with self._explained():
            try:
                return self.run(self.argv(*words), timeout_s=self.answer_s).stdout.strip()
            except CommandTimeout as error:
                raise self._silent(error, self.answer_s) from error

    def _do(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002
        on_line: OnLine | None = None,
        timeout_s: float,
        check: bool = True,
    ) -> Completed:
        """Run a command that takes long, streams, or is missing in python-on-whales."""
        with self._explained():
            try:
                return self.run(
                    self.argv(*words), env=env, input=input, on_line=on_line, timeout_s=timeout_s, check=check
                )
            except CommandTimeout:
                self._ask("info", "--format", "{{.ServerVersion}}")  # the engine may hang, not the command
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except CommandError as error:
            if (explained := explain(error)) is error:
                raise
            raise explained from error
        except LabError as error:
            if error.what != _NO_PROGRAM:
                raise
            raise EngineDownError(error.what, next="lab doctor --fix") from error

    def argv(self, *words: str) -> list[str]:
        """Return the command line of a docker command for this engine."""
        return ["docker", *([] if self.host is None else ["--host", self.host]), *words]

    def _all(self, listed: Callable[[DockerClient], list[Any]], read: Callable[[Any], T]) -> list[T]:
        """List objects, then inspect all of them with one command, and read each one's record.

        If one is created or deleted in between, the inspection of all fails; then list again.
        """
        for tries_left in reversed(range(_LIST_TRIES)):
            try:
                with self._client() as client:
                    objects = listed(client)
                # python-on-whales inspects one by one; its `bulk_reload` fails on its own ClientConfig (0.81).
                details = json.loads(self._ask("inspect", *(one.id for one in objects))) if objects else []
                return [read(one._parse_json_object(detail)) for one, detail in zip(objects, details, strict=True)]
            except CommandError as error:
                if not (tries_left and ABSENT.search(error.stderr)):
                    raise
            wait.pause(_LIST_PAUSE_S)
        return []

    def _silent(self, error: CommandTimeout, timeout_s: float) -> EngineSilentError:
        command = " ".join([Path(error.argv[0]).name, *error.argv[1:3]])
        restart = "restart the engine (`sudo systemctl restart docker`, or Restart in Docker Desktop), then lab doctor"
        named = "" if self.host else os.environ.get("DOCKER_HOST", "")
        return EngineSilentError(
            f"the container engine did not answer `{command}` within {timeout_s:g} s",
            where=self.host or named or "the current Docker context",
            next=chosen_by(os.environ) if named and not is_own(named) else restart,
        )


@contextmanager
def absent_is_fine() -> Iterator[None]:
    """Leave the block quietly if the requested object does not exist.

    It matches docker's message: python-on-whales' own exceptions do not cover every version of docker.
    """
    try:
        yield
    except CommandError as error:
        if not ABSENT.search(error.stderr):
            raise


def label(key: str, value: str | None) -> tuple[Literal["label"], str]:
    """Return the filter for a label; None stands for any value."""
    return ("label", key if value is None else f"{key}={value}")
