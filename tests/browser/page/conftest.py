"""The page in Chromium, against a real frontend process with small real upstreams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.page.kit import Loop
from tests.browser.page.viewer import Viewer
from tests.chromium import TIMEOUT_MS


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """Where the upstreams of a module run."""
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def view(chromium: Any) -> Iterator[Callable[..., Viewer]]:
    """`view(url, width=390)`: somebody who looks at the page; errors and requests elsewhere fail the test."""
    viewers: list[Viewer] = []

    def open_page(url: str, *, before: str = "", **options: Any) -> Viewer:
        width, height = options.pop("width", 1280), options.pop("height", 800)
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(TIMEOUT_MS)
        viewer = Viewer(context.new_page())
        viewers.append(viewer)
        if before:
            viewer.page.add_init_script(before)
        viewer.page.goto(url)
        return viewer

    yield open_page
    for viewer in viewers:
        viewer.page.context.close()
    assert [error for viewer in viewers for error in viewer.errors] == []
    assert {host for viewer in viewers for host in viewer.hosts} <= {"127.0.0.1", "localhost"}
