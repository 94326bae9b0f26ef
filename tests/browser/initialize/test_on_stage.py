"""A stage has the same page, behind its own token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab.stage.initializer.routes import routes
from tests.browser.initialize.kit import InitializerPage
from tests.browser.stage.conftest import page, screen, stage, theatre
from tests.browser.stage.played import Theatre
from tests.browser.stage.screens import Screen
from tests.unit.stage.initializer.kit import Arrivals, previews

__all__ = ["page", "screen", "stage", "theatre"]


def test_the_menu_of_the_stage_opens_the_initializer(
    theatre: Theatre,
    screen: Callable[..., Screen],
    tmp_path: Path,
) -> None:
    arrivals = Arrivals()
    theatre.close()
    theatre.more = routes(previews(tmp_path, arrivals))
    theatre.open()
    audience = screen()
    audience.is_at("West does not know East")
    audience.click("#menu")
    with audience.page.context.expect_page() as opened:
        audience.click("dialog button:has-text('Initializer')")
    opened.value.locator("body[data-ready]").wait_for()
    found = InitializerPage(opened.value, theatre.door)
    found.sees("h1", "Initializer")
    found.is_chosen("platform", "kind")
    found.choose("platform", "gke")
    found.sees(".command", "--platform gke")  # the answer: the button shows the choice at once
    assert "platform=gke" in found.query
    arrivals.may_end.set()
