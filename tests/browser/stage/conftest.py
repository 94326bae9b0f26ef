"""Chromium, a stage without clusters, and screens that fail a test after an error in their console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.stage.lab_page import LabPage
from tests.browser.stage.played import PlayedStage, Theatre, played
from tests.browser.stage.screens import Screen, screens
from tests.chromium import TIMEOUT_MS
from tests.local_http import served


@pytest.fixture
def page() -> Iterator[type[LabPage]]:
    """The page in the frame; it answers with an error while `down` is set."""
    yield LabPage
    LabPage.down = False


@pytest.fixture
def theatre(request: pytest.FixtureRequest, tmp_path: Path, page: type[LabPage]) -> Iterator[Theatre]:
    """A served stage on the Linkerd stack, or on the one that is the fixture's parameter."""
    stack = getattr(request, "param", "linkerd")
    with served(page) as host:
        url = f"http://localhost:{host.rpartition(':')[2]}/"
        with played(tmp_path, page_url=url, stack=stack) as open_stage:
            yield open_stage


@pytest.fixture
def stage(theatre: Theatre) -> PlayedStage:
    return theatre.stage


@pytest.fixture
def screen(chromium: Any, theatre: Theatre) -> Iterator[Callable[..., Screen]]:
    """`screen("presenter", width=390, height=844)` opens a screen in a browser of its own; None opens none yet."""

    def open_screen(path: str | None = "", *, token: bool = True, within: Any = None, **options: Any) -> Screen:
        width, height = options.pop("width", 1280), options.pop("height", 720)
        options = {"viewport": {"width": width, "height": height}, **options}
        context = within or chromium.new_context(**options)
        context.set_default_timeout(TIMEOUT_MS)
        made = Screen(context.new_page(), theatre)
        opened.append(made)
        if path is not None:
            made.open(path, token=token, starts=options.get("java_script_enabled", True))
        return made

    with screens() as opened:
        yield open_screen
