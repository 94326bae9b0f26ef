"""Everybody can read and use the page: axe-core, sizes, light and dark, text that grows."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.initialize.kit import InitializerPage
from tests.browser.stage.axe import Look, findings, looks, overflows
from tests.unit.stage.initializer.kit import SMALL

Window = Callable[..., InitializerPage]


@looks
def test_the_page_in_each_state(window: Window, look: Look) -> None:
    page = window(SMALL, **look.options)
    page.loaded()

    def accessible(state: str) -> None:
        assert (state, findings(page.page), overflows(page.page)) == (state, [], False)

    accessible("with files")
    page.choose("platform", "gke")
    page.sees(".viewer ins", "gke")
    accessible("after a choice")
    page.choose("apps", "podinfo")
    page.page.locator('[data-path="base/podinfo/4-objects/objects.yaml"]').click()
    page.sees(".viewer del", "ServiceAccount")
    page.page.locator("#registry").fill("https://x")
    page.sees("#registry-problem", "is not a registry")
    accessible("a file that is gone, and a wrong registry")
    page.page.locator("#help").click()
    page.sees("dialog", "All keys")
    accessible("keys")
    page.press("Escape")
    page.open("mesh=none&ingress=istio-gateway")
    page.sees("#problems", "impossible")
    accessible("an impossible address")
    page.open("mesh=linkered")
    page.sees("#problems", "did you mean linkerd")
    page.sees(".summary", "Downloading")
    accessible("a wrong address")


def test_text_grows_on_request(window: Window) -> None:
    page = window(SMALL)
    page.loaded()
    size = "parseFloat(getComputedStyle(document.querySelector('.says')).fontSize)"
    usual = page.page.evaluate(size)
    page.press(*"++++++++")
    assert page.page.evaluate(size) > 2 * usual
    assert not overflows(page.page)
    page.press("0")
    assert page.page.evaluate(size) == usual


def test_the_colours_follow_the_person(window: Window) -> None:
    page = window(SMALL)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.page.evaluate(ground)
    page.press("t", "t")
    assert page.page.evaluate(ground) != light
    page.page.reload()
    page.page.locator("body[data-ready]").wait_for()
    assert page.page.evaluate(ground) != light
