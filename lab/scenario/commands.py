"""Run command lines as typed, without a shell, so that a scenario runs exactly the command that it shows.

A line is split into words as in a POSIX shell, `|` connects programs, a backslash at the end continues the line, and a
word that starts with `~/` means the home folder. Other shell syntax is not supported, on purpose.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.base import process
from lab.base.errors import CommandError


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
    lines = text.replace("\\\n", " ").splitlines()
    typed = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return tuple(Line(text=line, programs=tuple(_programs(line))) for line in typed)


def _programs(line: str) -> Iterator[tuple[str, ...]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|")  # an unquoted `|` is a word of its own
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    for word in [*lexer, "|"]:
        if set(word) != {"|"}:
            words.append(str(Path.home() / word[2:]) if word.startswith("~/") else word)
        elif words and word == "|":
            yield tuple(words)
            words = []
        else:
            raise ValueError(f"`|` without a program on one side of it, in: {line.strip()}")


def run(
    line: Line,
    *,
    env: Mapping[str, str],
    timeout_s: float,
    on_line: Callable[[str], None],
    runner: process.Run = process.run,
) -> None:
    """Run one command line.

    Args:
        line: the line.
        env: variables to add to this process's own (KUBECONFIG, PATH).
        timeout_s: seconds for each program.
        on_line: called with each line of the last program's output, and of any program's errors, as it comes.
        runner: function that runs one program.

    Raises:
        CommandError: a program failed.
    """
    output: str | None = None
    for number, argv in enumerate(line.programs, start=1):
        last = number == len(line.programs)
        try:
            done = runner(argv, env=env, input=output, timeout_s=timeout_s, on_line=on_line if last else None)
        except CommandError as error:
            if not last:
                for text in error.stderr.splitlines():
                    on_line(text)
            raise
        output = done.stdout
