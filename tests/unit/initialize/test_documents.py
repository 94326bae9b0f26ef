"""The commands that the documents show: their flags exist, and their choices are possible."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest

from lab.base.paths import PROJECT
from lab.initialize.alternatives import check
from lab.initialize.choices import TEXTS, of, parse_query
from lab.initialize.options import BY_ID

DOCUMENT = PROJECT / "docs/initializer.md"
OTHERS = {"--from", "--list", "--show", "--diff", "--yes", "--json", "--wire", "--cluster", "--kubeconfig", "--port"}


def commands() -> Iterator[list[str]]:
    """Yield the words of each `lab initialize` in a block of a document."""
    for document in (DOCUMENT, PROJECT / "README.md"):
        text = document.read_text(encoding="utf-8").replace("\\\n", " ")
        for block in re.findall(r"^```(?:sh|console)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            for line in block.splitlines():
                if line.removeprefix("$ ").startswith("lab initialize"):
                    yield shlex.split(line.removeprefix("$ "), comments=True)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_a_command_of_the_documents_has_possible_choices(words: list[str]) -> None:
    flags = {word: after for word, after in zip(words, [*words[1:], ""], strict=True) if word.startswith("--")}
    chosen = {name.removeprefix("--"): value for name, value in flags.items() if name not in OTHERS}
    assert {*chosen} <= {*BY_ID, *TEXTS}
    if "?" in flags.get("--from", ""):
        check(parse_query(flags["--from"]))
    check(of(chosen, source="the documents"))


def test_the_table_of_flags_has_every_option() -> None:
    rows = re.findall(r"^\| (`--[^|]*) \| ([^|]*) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    values = {flag: cell for flags, cell in rows for flag in re.findall(r"`--([a-z]+)`", flags)}
    assert {*values} >= {*BY_ID, *TEXTS}
    for category in BY_ID.values():
        if not category.many:
            selectable = [option.id for option in category.options if option.selectable]
            assert sorted(re.findall(r"`([a-z0-9-]+)`", values[category.id])) == sorted(selectable)
