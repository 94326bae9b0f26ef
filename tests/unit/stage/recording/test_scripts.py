"""The scripts of a replay: short, without markup from data, without anything from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.stage.recording.routes import SHIM

SCRIPTS = sorted(SHIM.parent.iterdir())


def test_there_is_one_for_the_page_and_one_for_an_exported_file() -> None:
    assert [file.name for file in SCRIPTS] == ["page-shim.js", "player.js"]


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_a_script_is_short_and_makes_no_markup(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert max(map(len, text.splitlines())) <= 240
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function", text
    )
    assert "</script" not in text, "it becomes a part of a page"


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_a_script_asks_nobody_elsewhere(file: Path) -> None:
    urls = re.findall(r"[a-z]+://[^\"'`\s]*", file.read_text(encoding="utf-8"))
    assert urls in ([], ["http://replay/"]), "a base for paths that nobody asks"
