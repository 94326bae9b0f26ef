"""Somebody who looks at the page: what is shown, read from its elements, its canvases and its text alternatives."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

LOST = re.compile(r"Failed to load resource|willReadFrequently")
"""What a browser itself logs when a server is away or refuses, and when a test reads a canvas."""
# Pixels by the hue of a cluster, also of faded squares: how much of the picture each cluster has.
_AREAS = """([canvas, wanted]) => {
  const { width, height } = canvas;
  const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const hue = (r, g, b) => {
    const most = Math.max(r, g, b);
    const range = most - Math.min(r, g, b);
    if (range < 40) return null;
    const part = most === r ? (g - b) / range : most === g ? 2 + (b - r) / range : 4 + (r - g) / range;
    return (part * 60 + 360) % 360;
  };
  const found = Object.fromEntries(Object.keys(wanted).map((name) => [name, 0]));
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] < 40) continue;
    const seen = hue(data[at], data[at + 1], data[at + 2]);
    for (const [name, one] of Object.entries(wanted)) if (seen !== null && Math.abs(seen - one) < 12) found[name] += 1;
  }
  return found;
}"""
HUES = {"east": 202, "west": 41, "failed": 11}
"""Of #0072b2, #e69f00 and #cc3311."""


class Viewer:
    """One window with the page.

    `logged`: what its console and scripts complained about; `errors`: the same without what a browser says when the
    frontend ends before it. `hosts`: where its requests went.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.requested: list[str] = []
        self.logged: list[str] = []
        page.on("console", lambda message: message.type in {"error", "warning"} and self.logged.append(message.text))
        page.on("pageerror", lambda error: self.logged.append(str(error)))
        page.on("request", lambda request: self.requested.append(request.url))

    @property
    def errors(self) -> list[str]:
        return [text for text in self.logged if not LOST.search(text)]

    @property
    def hosts(self) -> set[str | None]:
        return {urlsplit(url).hostname for url in self.requested}

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.page.url).query)

    def sees(self, selector: str, text: str | re.Pattern[str]) -> None:
        """Wait until an element has a text."""
        from playwright.sync_api import expect

        expect(self.page.locator(selector).first).to_contain_text(text)

    def waits(self, condition: str, arg: Any = None) -> None:
        """Wait for a JavaScript condition."""
        self.page.wait_for_function(condition, arg=arg)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def shares(self, column: int = 0) -> dict[str, int]:
        """The counts beside the large percents."""
        rows = self.page.locator(".column").nth(column).locator(".shares li")
        found = rows.evaluate_all(
            "(rows) => rows.map((row) => [row.children[1].textContent, Number(row.children[3].textContent)])"
        )
        return dict(found)

    def counted(self, column: int = 0) -> tuple[int, int]:
        """How many requests had a result, and how many of them no answer."""
        text = self.page.locator(".column").nth(column).locator(".timeline .verdict").text_content()
        found = re.match(r"(\d+) requests, (\d+) without an answer", text or "")
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def answers(self, count: int, column: int = 0) -> None:
        """Wait until so many requests have a result."""
        self.waits(
            "([at, count]) => parseInt(document.querySelectorAll('.column')[at]"
            "?.querySelector('.timeline .verdict').textContent) >= count",
            [column, count],
        )

    def areas(self, figure: str = ".grid") -> dict[str, int]:
        """How many pixels of a chart each cluster has."""
        canvas = self.page.locator(f"{figure} canvas").first.element_handle()
        return dict(self.page.evaluate(_AREAS, [canvas, HUES]))

    def edges(self) -> dict[str, str]:
        """The sentences below the topology, by the names that each begins with."""
        items = self.page.locator("#edges li").all_text_contents()
        heads = self.page.locator("#edges li > b").all_text_contents()
        return {head: item.removeprefix(head) for head, item in zip(heads, items, strict=True)}
