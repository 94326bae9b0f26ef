"""The browser of all tests that need one: the machine's own Chromium, started once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

TIMEOUT_MS = 180_000
"""For everything that a browser should show: machines of CI are slow."""
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ["--no-sandbox", "--enable-precise-memory-info"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser that the machine has; Playwright's own is not downloaded."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is in the extra `browser`")
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium")
    sync_api.expect.set_options(timeout=TIMEOUT_MS)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()
