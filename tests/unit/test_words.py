"""Phrases that cost readers time stay out of code, help, errors and documents (CONTRIBUTING, "Words")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.base.paths import PROJECT

PHRASES = {
    r"(?<!there )(?<!where )\bis no [a-z]": "is not a …",
    r"\bare no [a-z]+s\b": "are not …",
    r"\bnot so after\b": "timed out after … waiting for …",
    r"\bh[eo]lds?\b[^.\n]{1,40}\bagainst\b|\bheld against\b": "compare with",
    r"\b(can't|cannot|can not) be had\b": "is unavailable",
    # `lab mend` is a command, and code names it.
    r"(?<!lab )(?<![\"(\w])\bmend(s|ed|ing)?\b(?![\"(,])": "fix, repair",
    r"\bin words\b(?! (and|or|if|for)\b|[:)\][])": "as text",
    r"\btold apart\b|\btells? apart\b": "distinguish",
    r"\bwhoever\b": "any client, the caller",
    r"\b(is|are|was|were|be) asked\b": "name the caller: the lab asks …",
    r"\bgoes on\b|\bgo on\b|\bwent on\b": "continue",
    r"\bnobody is let in\b|\blets? nobody in\b": "all connections fail; refuses everybody",
    r"\bis not there\b(?!\))": "does not exist, is missing",
    r"\blooked at\b": "checked",
    r"\btaken back\b|\btakes? back\b": "undo",
    r"\btakes? away\b|\btaken away\b": "delete, remove",
}
ROOMS = ("lab", "scenarios", "apps", "bench", "soak", "docs", "README.md", "CONTRIBUTING.md", "lab.toml", "noxfile.py")
SKIPPED = {"vendor", "recipes", "walkthrough", "frontend"}
"""Upstream's texts, outputs of real runs, and the frontend, whose texts are a part of its image."""
TEXTS = {".py", ".md", ".toml", ".yaml", ".html", ".js"}


def texts() -> Iterator[Path]:
    for room in ROOMS:
        place = PROJECT / room
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            if file.suffix in TEXTS and not SKIPPED.intersection(file.relative_to(PROJECT).parts):
                yield file


def found(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, better in PHRASES.items():
            if match := re.search(pattern, line, re.IGNORECASE):
                yield f"{number}: {match[0]!r}; write: {better}"


@pytest.mark.parametrize("file", list(texts()), ids=lambda file: str(file.relative_to(PROJECT)))
def test_plain_english(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    if file.name == "CONTRIBUTING.md":
        text = re.sub(r"(?ms)^## Words$.*?(?=^## )", "", text)  # it names the phrases
    assert list(found(text)) == []


def test_the_phrases_are_found() -> None:
    assert len(list(found("It is no header.\nwest: API server ready: not so after 120 s\nwhoever calls"))) == 3
