"""The page on a phone of the audience: it can be read and used by everybody, and a tap is answered."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from lab.stage.audience import Audience, AudienceAddress
from tests.browser.stage.axe import Look, findings, in_sizes, overflows
from tests.unit.stage.audience.kit import FakeTaps


@pytest.fixture
def joining() -> Iterator[Audience]:
    audience = Audience(AudienceAddress(ip_address("127.0.0.1"), 0), FakeTaps())
    audience.start(lambda: None)
    yield audience
    audience.close()


@in_sizes((320, 568), (390, 844), (844, 390), (1280, 720))
def test_everybody_can_use_it(joining: Audience, chromium: Any, look: Look) -> None:
    with chromium.new_context(**look.options) as context:
        page = context.new_page()
        page.goto(joining.url)
        assert (findings(page), overflows(page)) == ([], False)
        page.get_by_role("button", name="Tap").click()
        page.get_by_text("east").wait_for()
        assert (findings(page), overflows(page)) == ([], False)


@in_sizes((320, 568), (390, 844))
def test_the_button_stays_below_the_finger(joining: Audience, chromium: Any, look: Look) -> None:
    with chromium.new_context(**look.options) as context:
        page = context.new_page()
        page.goto(joining.url)
        button = page.get_by_role("button", name="Tap")
        before = button.bounding_box()
        for words in ("East answered in 12 ms", "No answer. Is this phone still in the same network as the stage?"):
            page.evaluate("(words) => { document.querySelector('#answer').textContent = words; }", words)
            assert button.bounding_box() == before


def test_a_phone_without_scripts_taps_too(joining: Audience, chromium: Any) -> None:
    with chromium.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(joining.url)
        page.get_by_role("button", name="Tap").click()
        page.get_by_text("east").wait_for()
        assert page.get_by_role("button", name="Tap").is_visible()
