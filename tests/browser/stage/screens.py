"""A screen of the stage in a browser, in the words of a person who uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.browser.stage.played import Theatre

LOST = re.compile(r"Failed to load resource|WebSocket connection to .* failed")
"""What a browser itself logs while the server is away."""
CHANGED = "ERR_NETWORK_CHANGED"
"""Chromium ends all its requests when an interface of the machine comes or goes, as those of containers do."""


_TRIES, _START_MS = 5, 30_000


class Screen:
    """One window.

    `errors` has what its console and its scripts complained about; `loses` is set by tests in which the server goes
    away. `requested` has the URL of each request.
    """

    def __init__(self, page: Any, theatre: Theatre) -> None:
        self.page = page
        self.theatre = theatre
        self.loses = False
        self.requested: list[str] = []
        self._errors: list[str] = []
        page.on("console", lambda message: message.type == "error" and self._errors.append(message.text))
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.on("request", lambda request: self.requested.append(request.url))

    @property
    def errors(self) -> list[str]:
        found = [text for text in self._errors if CHANGED not in text]
        return [text for text in found if not (self.loses and LOST.search(text))]

    def open(self, path: str = "", *, token: bool = True, starts: bool = True) -> None:
        """Open a screen; `starts` False is for a browser that does not run the scripts."""
        url = self.theatre.link(path) if token else f"{self.theatre.url}{path}"
        for _ in range(_TRIES):
            before = len(self._errors)
            self.page.goto("about:blank")  # else a URL with another fragment loads nothing
            self.page.goto(url)
            if not starts:
                return
            started = self.page.locator("body[data-ready]")
            try:
                started.wait_for(timeout=_START_MS)
            except Exception:
                if not any(CHANGED in text for text in self._errors[before:]):
                    raise
            else:
                return

    def sees(self, selector: str, text: str | re.Pattern[str]) -> None:
        """Wait until an element has a text."""
        _expect(self.page.locator(selector).first).to_contain_text(text)

    def shows(self, selector: str) -> None:
        _expect(self.page.locator(selector).first).to_be_visible()

    def hides(self, selector: str) -> None:
        _expect(self.page.locator(selector)).to_have_count(0)

    def is_at(self, title: str) -> None:
        """Wait until the step of this title is shown."""
        _expect(self.page.locator("h1.title")).to_have_text(title)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def click(self, selector: str) -> None:
        self.page.locator(selector).first.click()

    def console_text(self, cluster: str) -> str:
        """Return the lines that a cluster's console shows, as one text without line breaks."""
        rows = self.page.locator(f"#console-{cluster} .xterm-rows").first.locator("> div").all_text_contents()
        return "".join(row.replace("\xa0", " ") for row in rows)

    def console_shows(self, cluster: str, text: str) -> None:
        """Wait until a console shows a text, which may be wrapped."""
        self.page.wait_for_function(
            "([selector, text]) => [...(document.querySelector(selector)?.children ?? [])]"
            ".map((row) => row.textContent.replaceAll('\\u00a0', ' ')).join('').includes(text)",
            arg=[f"#console-{cluster} .xterm-rows", text],
        )


@contextmanager
def screens() -> Iterator[list[Screen]]:
    """Yield a list for the screens of a test; at its end they close, and none has complained or left this machine."""
    opened: list[Screen] = []
    yield opened
    for one in opened:
        one.page.context.close()
    errors = [error for one in opened for error in one.errors]
    assert not errors, errors
    assert {urlsplit(url).hostname for one in opened for url in one.requested} <= {"127.0.0.1", "localhost"}


def _expect(locator: Any) -> Any:
    from playwright.sync_api import expect

    return expect(locator)
