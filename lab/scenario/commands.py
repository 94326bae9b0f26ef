"""Command lines that a person can type: rendered for a lab, parsed, and run without a shell.

A scenario runs the lines that it shows. A line is split into words as in a POSIX shell, `|` connects programs, and a
backslash at the end continues the line. Other shell syntax is not supported, on purpose.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from lab.base import process
from lab.base.names import NAMESPACE, node_name
from lab.config import LabSpec


@dataclass(frozen=True, kw_only=True)
class Line:
    """One command line: programs with arguments; each reads the output of the program before it."""

    text: str
    programs: tuple[tuple[str, ...], ...]


def render(text: str, spec: LabSpec) -> str:
    """Replace the placeholders of a text with the names and addresses of a lab.

    | placeholder | value |
    | --- | --- |
    | {east}, {west} | name of the cluster in this role, which is also its context |
    | {east_url}, {west_url} | URL of its ingress on this machine |
    | {east_node}, {west_node} | its node container |
    | {namespace} | namespace of the applications |

    All other text in braces, such as JSON, stays as it is.
    """
    values = {"namespace": NAMESPACE}
    for role, name in (("east", spec.roles.east), ("west", spec.roles.west)):
        values[role] = name
        values[f"{role}_url"] = f"http://localhost:{spec.clusters[name].ingress_port}"
        values[f"{role}_node"] = node_name(spec.name, name)
    return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)


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
    """Run the lines in order and return their output.

    Args:
        text: as in `parse`.
        env: variables to add to this process's own (KUBECONFIG, PATH).
        timeout_s: seconds for each program.
        runner: function that runs one program.

    Raises:
        CommandError: a program failed; the lines after it are not run.
    """
    outputs: list[str] = []
    for line in parse(text):
        output: str | None = None
        for argv in line.programs:
            output = runner(argv, env=env, input=output, timeout_s=timeout_s).stdout
        outputs.append(output or "")
    return "".join(outputs)
