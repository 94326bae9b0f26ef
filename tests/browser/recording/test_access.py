"""Everybody can read and use a replay: axe-core on both screens and on the exported file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.stage.recording import export
from lab.stage.recording.tape import Tape
from tests.browser.recording.conftest import Theatre, Window
from tests.browser.stage.axe import Look, findings, looks, overflows

Open = Callable[..., Window]
LACKING = "Parts of this recording are missing; everything else plays. page.jsonl: is missing."


@pytest.fixture(scope="module")
def tape(tape: Tape) -> Tape:
    """The recording of all tests, with a part missing."""
    return replace(tape, problems=("page.jsonl: is missing",))


@pytest.fixture(scope="module")
def file(tape: Tape, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export.export(tape, tmp_path_factory.mktemp("export") / "replay.html").file


def accessible(window: Window, state: str) -> None:
    assert (state, findings(window.page), overflows(window.page)) == (state, [], False)


@looks
def test_both_screens_of_a_replay(theatre: Theatre, window: Open, expect: Any, look: Look) -> None:
    opened = window(theatre.door.start_url, **look.options)
    opened.seek(9)
    opened.sees("Step 1")
    opened.sees(LACKING)
    accessible(opened, "audience")
    for key in ("?", "b"):
        opened.page.keyboard.press(key)
        expect(opened.page.locator("dialog")).to_be_visible()
        accessible(opened, f"dialog of the key {key}")
        opened.page.keyboard.press("Escape")
        expect(opened.page.locator("dialog")).to_have_count(0)
    opened.page.goto(f"{theatre.door.url}presenter")
    opened.sees("Step 1")
    opened.sees(LACKING)
    accessible(opened, "presenter")


@looks
def test_the_exported_file(file: Path, window: Open, look: Look) -> None:
    opened = window(file.as_uri(), **look.options)
    opened.seek(9)
    opened.sees("Step 1")
    opened.sees(LACKING)
    accessible(opened, "exported")


def test_the_help_of_a_replay_has_its_own_keys(file: Path, window: Open, expect: Any) -> None:
    opened = window(file.as_uri())
    opened.sees("Step 0")
    opened.page.keyboard.press("?")
    opened.sees("Play or pause")
    for other in ("Check until green", "Inject a fault", "QR code for the audience"):
        expect(opened.page.get_by_text(other, exact=True)).to_have_count(0)
    opened.page.keyboard.press("Escape")
    opened.page.keyboard.press("q")
    opened.sees("A replay has no audience.")
    opened.page.keyboard.press("p")
    assert len(opened.page.context.pages) == 1
