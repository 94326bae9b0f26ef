"""Every `lab …` command that a hint, a help text or a docstring names exists, with its options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.base.paths import PROJECT
from tests.unit.cli.commands import ROOT

FILES = sorted([*(PROJECT / "lab").rglob("*.py"), *(PROJECT / "scenarios").rglob("*.py")])
HINTS = frozenset({"next", "fix", "undo", "hint"})
QUOTED = re.compile(r"`lab ((?:[^`\s]+\s?)+)`")
# In a hint a command stands at its beginning, or after a word that leads to one; "the lab is up" names none.
BARE = re.compile(r"(?:^|(?:, then|; or|: | or| and|^run|first) ?)lab ((?:--?[a-z][\w-]*|[a-z][\w-]*)(?: [^\s;,()]+)*)")


def strings(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Yield every text, and whether it is the value of a hint."""
    hints = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg in HINTS
        for inner in ast.walk(node.value)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (v.value if isinstance(v, ast.Constant) else "VALUE" for v in node.values)
            yield "".join(map(str, parts)), id(node) in hints
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, id(node) in hints


def named(text: str, *, hint: bool) -> Iterator[str]:
    """Yield the commands that a text names, without `lab`."""
    flat = " ".join(text.split())
    yield from QUOTED.findall(flat)
    if hint and "`" not in flat:
        yield from BARE.findall(flat)


def problem(words: str) -> str:
    """Return what is wrong with a command line, or nothing."""
    command: Any = ROOT
    rest = words.split()
    while rest and getattr(command, "commands", None):
        unnamed = command.commands.get(getattr(command, "unnamed", None))
        if unnamed is not None and rest[0] not in command.commands:
            command = unnamed
            break
        if rest[0].startswith("-"):
            break
        name = rest.pop(0)
        if name not in command.commands:
            return "" if name in {"VALUE", "…"} else f"there is no command {name!r}"
        command = command.commands[name]
    options = {spelled for parameter in command.params for spelled in parameter.opts} | {"--help"}
    for word in rest:
        if word == "--":
            break
        if word.startswith("-") and word.partition("=")[0] not in options:
            return f"there is no option {word!r}"
    return ""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PROJECT)))
def test_every_command_that_a_text_names_exists(file: Path) -> None:
    for text, hint in strings(ast.parse(file.read_text(encoding="utf-8"))):
        for words in named(text, hint=hint):
            assert problem(words) == "", f"`lab {words}` in {text!r}"


def test_the_search_sees_hints_and_quoted_commands() -> None:
    tree = ast.parse('raise E("as `lab up --stack linkerd` says", next=f"lab down, then lab up --stack {asked}")')
    found = [words for text, hint in strings(tree) for words in named(text, hint=hint)]
    assert "up --stack linkerd" in found
    assert "down" in found
    assert "up --stack VALUE" in found


@pytest.mark.parametrize("words", ["report --list", "doctor --cluster west", "upp", "dev pods"])
def test_a_command_that_does_not_exist_is_noticed(words: str) -> None:
    assert problem(words)
