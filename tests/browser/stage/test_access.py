"""Everybody can read and use the screens: axe-core, sizes, text that grows, keys that reach everything."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.stage.audience.audience import qr_svg
from tests.browser.stage.axe import Look, findings, looks, overflows
from tests.browser.stage.played import PlayedStage
from tests.browser.stage.screens import Screen
from tests.browser.stage.test_consoles import panel

Open = Callable[..., Screen]
URL = "http://192.168.101.120:7466/Fw3Gq9_kJx0sY2bLr7VtNQ/"
AUDIENCE = {"url": URL, "qr_svg": qr_svg(URL), "phones": 184, "requests": 2317}
LATE = {"started": 1.0, "elapsed_s": 500.0, "rehearsed_s": 1710.0, "due_s": 100.0, "left_s": 1389.0}


@looks
def test_the_audiences_screen_in_each_state(stage: PlayedStage, screen: Open, look: Look) -> None:
    stage.panel(panel())
    stage.extra = {"audience": AUDIENCE}
    audience = screen(**look.options)
    accessible = accessible_in(audience)
    audience.is_at("West does not know East")
    audience.sees("#panel-west", "podinfo")
    accessible("idle")
    stage.recorded.red.update(check.name for check in stage.presenter.all[0].step.checks)
    with stage.recorded.held():
        audience.press("Enter")
        audience.shows(".status[data-look=running]")
        accessible("running")
    audience.shows(".status[data-look=red]")
    stage.fault("kill-podinfo-east", undo=False)
    audience.shows(".log [data-sign=fault]")
    stage.panel({**panel(), "reachable": False, "problem": "the API server does not answer"})
    audience.sees("#console-west .state", "does not answer")
    accessible("red, with a fault, and a cluster that is lost")
    for key in ("i", "?", "m", "q", "b"):
        audience.press(key)
        audience.shows("dialog")
        accessible(f"dialog of the key {key}")
        audience.press("Escape")
        audience.hides("dialog")
    audience.click("#menu")
    accessible("menu")
    audience.press("Escape")


@looks
def test_the_audiences_screen_at_the_end_of_a_scenario(stage: PlayedStage, screen: Open, look: Look) -> None:
    audience = screen(**look.options)
    audience.is_at("West does not know East")
    stage.go_to("request_routing/traffic_split")
    audience.is_at("The talk's SMI TrafficSplit")
    for shown in (".status[data-look=green]", ".tries li"):
        audience.shows(".go:not([aria-disabled])")
        audience.press("Enter")
        audience.shows(shown)
        accessible_in(audience)(shown)


def accessible_in(screen: Screen) -> Callable[[str], None]:
    """Return what asserts that a state of a screen has no serious finding and fits its window."""

    def accessible(state: str) -> None:
        assert (state, findings(screen.page), overflows(screen.page)) == (state, [], False)

    return accessible


@looks
def test_the_presenters_screen(stage: PlayedStage, screen: Open, look: Look) -> None:
    stage.extra = {"audience": AUDIENCE, "clock": LATE}
    presenter = screen("presenter", **look.options)
    accessible = accessible_in(presenter)
    presenter.is_at("West does not know East")
    presenter.sees(".pace", "behind by")
    accessible("idle")
    presenter.press("Enter")
    presenter.shows("#results .result[data-outcome=passed]")
    stage.fault("kill-podinfo-east", undo=False)
    presenter.shows("#faults [data-active]")
    accessible("green, with a fault")
    for key in ("?", "q"):
        presenter.press(key)
        presenter.shows("dialog")
        accessible(f"dialog of the key {key}")
        presenter.press("Escape")
        presenter.hides("dialog")


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080), (3840, 2160)])
def test_the_last_row_reads_it(stage: PlayedStage, screen: Open, width: int, height: int) -> None:
    """Letters are at least this part of the screen's height; nothing of the screen is below its edge."""
    stage.panel(panel())
    audience = screen(width=width, height=height)
    audience.is_at("West does not know East")
    audience.console_shows("west", "(west)")
    size = "(selector) => parseFloat(getComputedStyle(document.querySelector(selector)).fontSize) / innerHeight"
    least = {".narration": 0.025, ".title": 0.025, ".act": 0.019, ".xterm-rows": 0.0165, "#panel-west li": 0.016}
    found = {selector: audience.page.evaluate(size, selector) for selector in least}
    assert {selector: part for selector, part in found.items() if part < least[selector]} == {}
    bottom = (
        "Math.max(...[...document.querySelectorAll('.console, .left')].map((e) => e.getBoundingClientRect().bottom))"
    )
    assert audience.page.evaluate(bottom) <= height


def test_text_grows_on_request(screen: Open) -> None:
    """WCAG 2.2, 1.4.4: letters follow the size of the screen, so the stage has keys of its own."""
    audience = screen()
    audience.is_at("West does not know East")
    size = "parseFloat(getComputedStyle(document.querySelector('.narration')).fontSize)"
    usual = audience.page.evaluate(size)
    for _ in range(8):
        audience.press("+")
    assert audience.page.evaluate(size) > 2 * usual
    audience.press("0")
    assert audience.page.evaluate(size) == usual


def test_every_control_is_reached_with_the_tab_key(screen: Open) -> None:
    presenter = screen("presenter")
    presenter.is_at("West does not know East")
    reached = set()
    for _ in range(40):
        presenter.press("Tab")
        reached.add(presenter.page.evaluate("document.activeElement.dataset.command ?? ''"))
    assert {"go", "back", "repeat", "check", "until_green", "undo", "skip", "interrupt"} <= reached


def test_motion_stops_for_those_who_ask_for_it(stage: PlayedStage, screen: Open) -> None:
    audience = screen(reduced_motion="reduce")
    audience.is_at("West does not know East")
    stage.panel(panel(pods=[{**panel()["pods"][0], "change": "new"}]))
    audience.shows("#panel-west [data-change=new]")
    style = "getComputedStyle(document.querySelector('#panel-west [data-change=new]')).animationName"
    assert audience.page.evaluate(style) == "none"
