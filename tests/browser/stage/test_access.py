"""Everybody can read and use the screens: axe-core, sizes, text that grows, keys that reach everything."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from tests.browser.stage.played import PlayedStage
from tests.browser.stage.screens import Screen
from tests.browser.stage.test_consoles import panel

pytest.importorskip("axe_playwright_python", reason="axe-core is in the extra `browser`")
Open = Callable[..., Screen]
AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
SIZES = [(390, 844), (1280, 720), (3840, 2160)]
LOOKS = [(width, height, scheme) for width, height in SIZES for scheme in ("light", "dark")]
looks = pytest.mark.parametrize(("width", "height", "scheme"), LOOKS, ids=str)


def findings(screen: Screen) -> list[Any]:
    """Return what axe finds in the stage's own document; the page in the frame has tests of its own."""
    screen.page.evaluate(AXE)
    found = screen.page.evaluate("axe.run(document, {iframes: false, resultTypes: ['violations']})")
    return [
        (one["impact"], one["id"], [node["target"] for node in one["nodes"]][:3])
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


def overflows(screen: Screen) -> bool:
    return bool(screen.page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@looks
def test_the_audiences_screen_in_each_state(
    stage: PlayedStage, screen: Open, width: int, height: int, scheme: str
) -> None:
    stage.panel(panel())
    stage.recorded.red.add("nothing_resolves")
    audience = screen(width=width, height=height, color_scheme=scheme, bypass_csp=True)
    audience.is_at("West does not know East")
    audience.sees("#panel-west", "podinfo")
    assert (findings(audience), overflows(audience)) == ([], False)
    stage.recorded.red.update(check.name for check in stage.presenter.all[0].step.checks)
    audience.press("Enter")
    audience.shows(".status[data-look=red]")
    stage.fault("kill-podinfo-east", undo=False)
    audience.shows(".log [data-sign=fault]")
    assert (findings(audience), overflows(audience)) == ([], False)
    for key in ("i", "?"):
        audience.press(key)
        audience.shows("dialog")
        assert (key, findings(audience)) == (key, [])
        audience.press("Escape")
        audience.hides("dialog")


@looks
def test_the_presenters_screen(stage: PlayedStage, screen: Open, width: int, height: int, scheme: str) -> None:
    presenter = screen("presenter", width=width, height=height, color_scheme=scheme, bypass_csp=True)
    presenter.is_at("West does not know East")
    presenter.sees(".elapsed", "0:00")
    assert (findings(presenter), overflows(presenter)) == ([], False)
    presenter.press("Enter")
    presenter.shows("#results .result[data-outcome=passed]")
    assert (findings(presenter), overflows(presenter)) == ([], False)


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
