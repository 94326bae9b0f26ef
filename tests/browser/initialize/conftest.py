"""Chromium and the initializer's page; its store of artifacts is empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.stage.initializer.run import on_page
from lab.stage.security import Door
from tests.browser.initialize.kit import InitializerPage, windows
from tests.chromium import TIMEOUT_MS
from tests.unit.stage.initializer.kit import Arrivals, previews


@pytest.fixture(scope="session")
def arrivals() -> Iterator[Arrivals]:
    """Artifacts that are missing do not arrive before the tests end."""
    made = Arrivals()
    yield made
    made.may_end.set()


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory, arrivals: Arrivals) -> Iterator[Door]:
    """The served page."""
    with on_page(previews(tmp_path_factory.mktemp("page"), arrivals), port=0) as screen:
        yield screen.door


@pytest.fixture
def window(chromium: Any, door: Door) -> Iterator[Callable[..., InitializerPage]]:
    """`window("mesh=none", width=390, height=844)` opens the page with choices; None opens none yet."""

    def open_window(query: str | None = "", **options: Any) -> InitializerPage:
        width, height = options.pop("width", 1280), options.pop("height", 720)
        context = chromium.new_context(**{"viewport": {"width": width, "height": height}, **options})
        context.set_default_timeout(TIMEOUT_MS)
        made = InitializerPage(context.new_page(), door)
        opened.append(made)
        if query is not None:
            made.open(query)
        return made

    with windows() as opened:
        yield open_window
