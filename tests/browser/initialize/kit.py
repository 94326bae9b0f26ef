"""The initializer's page in a browser, in the words of a person who uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from lab.stage.security import Door

CHANGED = "ERR_NETWORK_CHANGED"
"""Chromium ends all its requests when an interface of the machine comes or goes, as those of containers do."""


class InitializerPage:
    """One window. `errors` has what its console and its scripts complained about, `requested` each request's URL."""

    def __init__(self, page: Any, door: Door) -> None:
        self.page = page
        self.door = door
        self.requested: list[str] = []
        self._errors: list[str] = []
        page.on("console", lambda message: message.type in {"error", "warning"} and self._errors.append(message.text))
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.on("request", lambda request: self.requested.append(request.url))

    @property
    def errors(self) -> list[str]:
        return [text for text in self._errors if CHANGED not in text]

    def open(self, query: str = "", *, token: bool = True) -> None:
        """Open the page with choices, and wait until it is there."""
        self.page.goto("about:blank")  # else a URL with another fragment loads nothing
        fragment = f"#token={self.door.token}" if token else ""
        self.page.goto(f"{self.door.url}initialize{'?' if query else ''}{query}{fragment}")
        self.page.locator("body[data-ready]").wait_for()

    @property
    def query(self) -> str:
        """The query of the address bar."""
        return urlsplit(self.page.url).query

    def choose(self, category: str, option: str) -> None:
        """Click on an option's title."""
        self.page.locator(f"label[for={category}-{option}]").click()

    def input(self, category: str, option: str) -> Any:
        return self.page.locator(f"#{category}-{option}")

    def option(self, category: str, option: str) -> Any:
        return self.page.locator(f"[data-category={category}] [data-option={option}]")

    def is_chosen(self, category: str, *options: str) -> None:
        """Wait until just these options of a category are chosen."""
        from playwright.sync_api import expect

        for option in options:
            expect(self.input(category, option)).to_be_checked()
        expect(self.page.locator(f"[data-category={category}] input:checked")).to_have_count(len(options))

    def sees(self, selector: str, text: Any) -> None:
        from playwright.sync_api import expect

        expect(self.page.locator(selector).first).to_contain_text(text)

    def has(self, selector: str, count: int) -> None:
        from playwright.sync_api import expect

        expect(self.page.locator(selector)).to_have_count(count)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def focused(self, script: str) -> Any:
        """Return what a script says of the element with the focus."""
        return self.page.evaluate(f"(() => {{ const e = document.activeElement; return {script}; }})()")

    def loaded(self) -> None:
        """Wait until the answer to the last choice is shown."""
        self.page.locator("#files[aria-busy=false]").wait_for()


@contextmanager
def windows() -> Iterator[list[InitializerPage]]:
    """Yield a list for the windows of a test; at its end they close, and none has complained or left this machine."""
    opened: list[InitializerPage] = []
    yield opened
    for one in opened:
        one.page.context.close()
    assert [error for one in opened for error in one.errors] == []
    assert {urlsplit(url).hostname for one in opened for url in one.requested if url != "about:blank"} <= {"127.0.0.1"}
