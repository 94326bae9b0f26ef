"""The real page in the stage's frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.base import wait
from lab.base.wait import NotYet
from tests.browser.stage.screens import Screen
from tests.browser.stage.with_page import Whole, whole_stage

Open = Callable[..., Screen]


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    (tmp_path / "whole").mkdir()
    with whole_stage(tmp_path / "whole") as found:
        yield found


def marked(whole: Whole) -> bool:
    return "Half and half" in str(whole.frontend.get("/api/marks"))


def test_the_page_is_shown_and_knows_what_the_stage_does(whole: Whole, screen: Open) -> None:
    audience = Screen(screen(None).page, whole.theatre)
    audience.loses = True  # the frame is tried before the frontend has started
    audience.open()
    audience.is_at("West does not know East")
    frame = audience.page.frame_locator(".page iframe")
    frame.locator("body").wait_for()
    whole.theatre.stage.go_to(3)
    audience.is_at("Half and half")
    audience.shows(".go:not([aria-disabled])")
    audience.press("Enter")
    audience.shows(".status[data-look=green]")
    wait.until("the mark", lambda: marked(whole) or NotYet(whole.frontend.get("/api/marks")), timeout_s=60)


def test_the_page_never_gets_the_stages_cookie(whole: Whole, screen: Open) -> None:
    """Cookies do not know ports; the page has the machine's other name."""
    audience = Screen(screen(None).page, whole.theatre)
    audience.loses = True
    audience.open()
    audience.shows(".page iframe")
    with audience.page.expect_request(f"http://localhost:{whole.frontend.port}/**") as asked:
        audience.page.reload()
    assert "cookie" not in asked.value.all_headers()
