"""Run command lines as typed, without a shell, so that a scenario runs exactly the command that it shows.

A line is split into words as in a POSIX shell, `|` connects programs, and a backslash at the end continues the line.
Other shell syntax is not supported, on purpose.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from lab.base import process


@dataclass(frozen=True, kw_only=True)
class Line:
    """One command line: programs with arguments; each reads the output of the program before it."""

    text: str
    programs: tuple[tuple[str, ...], ...]


def parse(text: str) -> tuple[Line, ...]:
    """Split text into command lines, without empty lines and comments.

    Raises:
        ValueError: a quote is not closed, or a `|` has no program on one side.
    """
    lines = []
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = shlex.shlex(line, posix=True, punctuation_chars="|")
        words.whitespace_split = True
        programs: list[list[str]] = [[]]
        for word in words:
            if set(word) == {"|"}:
                programs.extend([] for _ in word)
            else:
                programs[-1].append(word)
        if not all(programs):
            raise ValueError(f"nothing on one side of | in {line!r}")
        lines.append(Line(text=line.strip(), programs=tuple(tuple(program) for program in programs)))
    return tuple(lines)


def run(text: str, *, env: Mapping[str, str], timeout_s: float, runner: process.Run = process.run) -> str:
    """Run command lines one after the other and return their output.

    Args:
        text: command lines, see `parse`.
        env: environment variables in addition to those of this process (KUBECONFIG, PATH).
        timeout_s: seconds for each program.
        runner: function that runs one program.

    Raises:
        CommandError: a program failed; the lines after it are not run.
    """
    printed: list[str] = []
    for line in parse(text):
        output: str | None = None
        for argv in line.programs:
            output = runner(argv, env=env, input=output, timeout_s=timeout_s).stdout
        printed.append(output or "")
    return "".join(printed)
