"""Command lines as a person types them, run without a shell.

What a scenario shows is what it runs: a line is split into words as a POSIX shell would, `|` joins programs, and a
backslash at a line's end continues it. Nothing else of a shell's language is there, on purpose.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from lab.base import process


@dataclass(frozen=True, kw_only=True)
class Line:
    """One command line: the programs with their arguments, each fed with the output of the one before."""

    text: str
    programs: tuple[tuple[str, ...], ...]


def parse(text: str) -> tuple[Line, ...]:
    """Split text into command lines; empty lines and lines that start with `#` are left out.

    Raises:
        ValueError: a quote does not end, or a `|` has nothing on one side.
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
    """Run the lines one after the other and return all that they printed, in order.

    Args:
        text: as in `parse`.
        env: variables on top of this process's own (KUBECONFIG, PATH).
        timeout_s: seconds for each program.
        runner: runs one program (tests pass their own).

    Raises:
        CommandError: a program exited with an error; the lines after it are not run.
    """
    printed: list[str] = []
    for line in parse(text):
        fed: str | None = None
        for argv in line.programs:
            fed = runner(argv, env=env, input=fed, timeout_s=timeout_s).stdout
        printed.append(fed or "")
    return "".join(printed)
