"""What the presenter has for the hall: the QR code, a black screen, and the clock against the rehearsal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from lab.stage.audience import Audience, AudienceAddress
from lab.stage.audience.audience import qr_svg
from tests.browser.stage.played import PlayedStage
from tests.browser.stage.screens import Screen
from tests.unit.stage.audience.kit import FakeTaps

Open = Callable[..., Screen]
FIRST = "West does not know East"
LONGEST_ADDRESS = "http://192.168.101.120:7466/Fw3Gq9_kJx0sY2bLr7VtNQ/"


@pytest.fixture
def joining(stage: PlayedStage) -> Iterator[Audience]:
    """A real server for phones; its requests are answered without a mesh."""
    audience = Audience(AudienceAddress(ip_address("127.0.0.1"), 0), FakeTaps())
    audience.start(stage.publish_state)
    stage.audience = audience
    yield audience
    stage.audience = None
    audience.close()


def tap(phone: Any) -> None:
    phone.get_by_role("button", name="Tap").click()
    phone.get_by_text("east").wait_for()


def test_the_code_opens_by_its_key_and_closes_by_escape(joining: Audience, screen: Open) -> None:
    audience = screen()
    audience.is_at(FIRST)
    audience.press("q")
    audience.sees("dialog", "Take part with your phone")
    audience.sees("dialog .url", joining.url)
    image = audience.page.get_by_role("img", name=f"QR code of {joining.url}")
    audience.page.wait_for_function("(image) => image.complete && image.naturalWidth > 0", arg=image.element_handle())
    audience.press("Escape")
    audience.hides("dialog")


def test_the_code_opens_by_its_button(joining: Audience, screen: Open) -> None:
    audience = screen()
    audience.is_at(FIRST)
    audience.click("#menu")
    audience.click("dialog button:has-text('QR code')")
    audience.sees("dialog .url", joining.url)
    audience.click("dialog .close")
    audience.hides("dialog")


@pytest.mark.parametrize("key", ["PageDown", "q"])
def test_a_clicker_takes_the_code_away_and_runs_nothing(
    joining: Audience, stage: PlayedStage, screen: Open, key: str
) -> None:
    audience = screen()
    audience.is_at(FIRST)
    audience.press("q")
    audience.shows("dialog")
    audience.press(key)
    audience.hides("dialog")
    assert stage.turn == 0


def test_phones_and_requests_are_counted_as_they_come(joining: Audience, screen: Open, chromium: Any) -> None:
    audience = screen()
    presenter = screen("presenter", within=audience.page.context)
    audience.is_at(FIRST)
    audience.press("q")
    audience.sees("dialog .count", "0 phones, 0 requests")
    phones = [chromium.new_context(viewport={"width": 390, "height": 844}) for _ in range(2)]
    for number, context in enumerate(phones, start=1):
        phone = context.new_page()
        phone.goto(joining.url)
        tap(phone)
        words = "1 phone, 1 request" if number == 1 else "2 phones, 2 requests"
        audience.sees("dialog .count", words)
        presenter.sees("#hall .count", words)
    for context in phones:
        context.close()


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080), (3840, 2160)])
def test_the_last_row_scans_the_code_and_reads_the_address(
    stage: PlayedStage, screen: Open, width: int, height: int
) -> None:
    stage.extra = {
        "audience": {"url": LONGEST_ADDRESS, "qr_svg": qr_svg(LONGEST_ADDRESS), "phones": 200, "requests": 12000}
    }
    audience = screen(width=width, height=height)
    audience.is_at(FIRST)
    audience.press("q")
    audience.shows("dialog .url")
    look = """() => {
      const [image, url] = ['.code img', '.code .url'].map((name) => document.querySelector(name));
      const lines = url.getClientRects().length && url.clientHeight / parseFloat(getComputedStyle(url).lineHeight);
      const dialog = document.querySelector('dialog');
      return {code: image.clientHeight / innerHeight, letters: parseFloat(getComputedStyle(url).fontSize) / innerHeight,
              lines: Math.round(lines), scrolls: dialog.scrollHeight > dialog.clientHeight};
    }"""
    seen = audience.page.evaluate(look)
    assert seen["code"] >= 0.5
    assert seen["letters"] >= 0.045
    assert (seen["lines"], seen["scrolls"]) == (1, False)


def test_without_an_audience_the_key_and_the_buttons_say_how_to_get_one(screen: Open) -> None:
    audience = screen()
    presenter = screen("presenter", within=audience.page.context)
    for one in (audience, presenter):
        one.is_at(FIRST)
        one.press("q")
        one.sees(".said", "start the stage with lab stage --audience ADDRESS")
        one.hides("dialog")
    audience.click("#menu")
    audience.sees("dialog button:has-text('QR code')[aria-disabled]", "lab stage --audience ADDRESS")
    presenter.sees("#hall [aria-disabled]:has-text('QR code')", "lab stage --audience ADDRESS")


def test_the_presenter_opens_the_code_here_and_there(joining: Audience, screen: Open) -> None:
    audience = screen()
    presenter = screen("presenter", within=audience.page.context)
    audience.is_at(FIRST)
    presenter.press("q")
    presenter.sees("dialog .url", joining.url)
    presenter.press("Escape")
    presenter.hides("dialog")
    audience.hides("dialog")
    presenter.click("#hall button:has-text('QR code on their screen')")
    audience.sees("dialog .url", joining.url)
    presenter.sees("#hall .over", "It shows the QR code now.")
    presenter.click("#hall button:has-text('Take the QR code away')")
    audience.hides("dialog")
    presenter.shows("#hall button:has-text('QR code on their screen')")


@pytest.mark.parametrize("key", ["b", "."])
def test_a_clickers_key_makes_the_screen_black_and_any_key_shows_it_again(
    stage: PlayedStage, screen: Open, key: str
) -> None:
    audience = screen()
    audience.is_at(FIRST)
    audience.press(key)
    audience.sees("dialog.black", "Any key shows the screen again.")
    audience.press("PageDown")
    audience.hides("dialog")
    assert stage.turn == 0
    audience.press("PageDown")
    audience.shows(".status[data-look=green]")


def test_the_presenter_makes_the_audiences_screen_black(stage: PlayedStage, screen: Open) -> None:
    presenter = screen("presenter")
    presenter.is_at(FIRST)
    presenter.sees("#hall", "screen is not open in this browser.")
    presenter.press("b")
    presenter.sees(".said", "not open in this browser")
    audience = screen(within=presenter.page.context)
    audience.is_at(FIRST)
    presenter.shows("#hall button:has-text('Black screen'):not([aria-disabled])")
    presenter.press("b")
    audience.shows("dialog.black")
    presenter.sees("#hall .over", "It is black now.")
    presenter.press("b")
    audience.hides("dialog")
    presenter.press("b")
    audience.shows("dialog.black")
    audience.page.reload()
    audience.is_at(FIRST)
    presenter.shows("#hall button:has-text('Black screen'):not([aria-disabled])")
    audience.page.close()
    presenter.sees("#hall", "screen is not open in this browser.")
    assert stage.turn == 0


def clock(elapsed_s: float, due_s: float | None) -> dict[str, Any]:
    """The clock of a presentation that has begun."""
    rehearsed_s = None if due_s is None else 1710.0
    return {"started": 1.0, "elapsed_s": elapsed_s, "rehearsed_s": rehearsed_s, "due_s": due_s, "left_s": 0.0}


@pytest.mark.parametrize(
    ("now", "words", "late"),
    [
        (clock(100, 1400), r"^ahead by 2[01]:\d\d$", 0),
        (clock(330, 300), "^on time$", 0),
        (clock(4000, 300), r"^behind by 5[1-3]:\d\d$", 1),
    ],
)
def test_the_clock_compares_with_the_rehearsal(
    stage: PlayedStage, screen: Open, now: dict[str, Any], words: str, late: int
) -> None:
    """The talk is on time while the current step takes no longer than it did in the rehearsal."""
    steps = [{**step, "rehearsed_s": 600.0} for step in stage.state()["steps"]]
    stage.extra = {"clock": now, "steps": steps}
    presenter = screen("presenter")
    presenter.sees(".pace", re.compile(words))
    assert presenter.page.locator(".clock[data-late]").count() == late
    presenter.sees(".plan", "of 28:30 rehearsed")


def test_a_talk_that_was_not_rehearsed_has_no_pace(stage: PlayedStage, screen: Open) -> None:
    stage.extra = {"clock": clock(100, None)}
    presenter = screen("presenter")
    presenter.is_at(FIRST)
    presenter.sees(".plan", "not rehearsed")
    assert presenter.page.locator(".pace").is_hidden()


def test_a_replay_says_what_is_missing_from_it(stage: PlayedStage, screen: Open) -> None:
    found = {"at_s": 1.0, "length_s": 60.0, "playing": False, "speed": 1, "run": "20261127-090000"}
    problems = ["page.jsonl: is missing", "events.jsonl: 3 damaged lines are left out", "one.", "two"]
    stage.extra = {"mode": "replay", "replay": {**found, "problems": problems}}
    audience = screen()
    presenter = screen("presenter", within=audience.page.context)
    said = (
        "Parts of this recording are missing; everything else plays. " + "; ".join(problems[:2]) + "; one; and 1 more."
    )
    for one in (audience, presenter):
        one.sees("#replay .lacking", said)
    stage.extra = {"mode": "replay", "replay": {**found, "problems": []}}
    stage.publish_state()
    for one in (audience, presenter):
        one.page.locator("#replay .lacking").wait_for(state="hidden")
