"""The state lives in the server: reloads, other browsers, restarts, lost connections, sleep, proxies, old browsers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.browser.stage.lab_page import LabPage
from tests.browser.stage.played import PlayedStage, Theatre
from tests.browser.stage.screens import Screen

Open = Callable[..., Screen]
STARTED = "West does not know East"


def test_a_reload_in_the_middle_of_a_step_shows_it_again(stage: PlayedStage, screen: Open) -> None:
    audience = screen()
    audience.is_at(STARTED)
    with stage.recorded.held():
        audience.press("Enter")
        audience.sees(".status[data-look=running]", "Runs")
        audience.page.reload()
        audience.sees(".status[data-look=running]", "Runs")
        audience.console_shows("east", "kubectl --context=east")
    audience.shows(".status[data-look=green]")
    assert stage.turn == 1


def test_a_browser_that_is_killed_in_the_middle_of_a_step_changes_nothing(stage: PlayedStage, screen: Open) -> None:
    killed = screen()
    killed.is_at(STARTED)
    with stage.recorded.held():
        killed.press("Enter")
        killed.shows(".status[data-look=running]")
        killed.page.close()
    other = screen()
    other.shows(".status[data-look=green]")


def test_a_second_browser_shows_the_same(stage: PlayedStage, screen: Open) -> None:
    one, other = screen(), screen()
    for each in (one, other):
        each.is_at(STARTED)
    one.press("Enter")
    for each in (one, other):
        each.shows(".status[data-look=green]")
        each.console_shows("west", "kubectl --context=west")
        each.shows(".go:not([aria-disabled])")
    other.press("Enter")
    for each in (one, other):
        each.is_at("Copy the Service by hand")


def test_the_token_leaves_the_address(screen: Open) -> None:
    audience = screen()
    audience.is_at(STARTED)
    assert audience.page.evaluate("location.href") == audience.theatre.url
    assert "token" not in audience.page.evaluate("document.cookie + JSON.stringify(localStorage)")


def test_an_address_without_token_says_what_to_open(screen: Open) -> None:
    audience = screen(token=False)
    audience.loses = True  # the browser logs the 401
    audience.sees(".stop h1", "This browser has no token")
    audience.sees(".stop", "Open the whole address that lab stage printed")


def test_a_restarted_stage_asks_for_its_new_address_and_takes_it_in_the_same_window(
    theatre: Theatre, screen: Open
) -> None:
    audience = screen()
    audience.loses = True
    audience.is_at(STARTED)
    theatre.close()
    audience.sees(".banner", "The stage does not answer")
    audience.sees(".status", "No connection to the stage")
    theatre.open()
    audience.sees(".stop h1", "The stage was started again")
    audience.sees(".stop", "Open its new address")
    audience.page.goto(theatre.link())  # only the fragment differs: the browser loads nothing
    audience.page.locator(".stop").wait_for(state="hidden")
    audience.press("Enter")
    audience.shows(".status[data-look=green]")


def test_a_lost_connection_comes_back_by_itself(screen: Open) -> None:
    audience = screen()
    audience.loses = True
    audience.is_at(STARTED)
    audience.page.route("**/api/**", lambda route: route.abort())
    audience.page.evaluate("dispatchEvent(new Event('online'))")
    audience.sees(".banner", "The stage does not answer")
    audience.page.unroute("**/api/**")
    audience.page.locator(".banner").wait_for(state="hidden")
    audience.press("Enter")
    audience.shows(".status[data-look=green]")


def test_a_laptop_that_slept_connects_again_at_once(screen: Open) -> None:
    audience = screen(None)
    audience.loses = True
    audience.page.clock.install()
    audience.open()
    audience.is_at(STARTED)
    streams = [url for url in audience.requested if url.endswith("/api/events")]
    with audience.page.expect_request("**/api/events"):
        audience.page.clock.fast_forward(3_600_000)  # timers fire once and late, as after sleep
    assert len([url for url in audience.requested if url.endswith("/api/events")]) > len(streams)


def test_a_proxy_that_holds_events_back_is_named_and_the_state_is_polled(stage: PlayedStage, screen: Open) -> None:
    audience = screen(None)
    audience.loses = True
    audience.page.clock.install()
    audience.page.route("**/api/events", lambda route: None)  # no answer, ever
    audience.open()
    audience.shows("body[data-connection=connecting]")
    audience.page.clock.run_for(9_000)
    audience.sees(".banner", "A proxy holds the stage's events back")
    audience.is_at(STARTED)
    audience.press("Enter")
    audience.page.locator(".status[data-look=idle]").wait_for(state="detached")
    audience.page.clock.run_for(3_000)
    audience.shows(".status[data-look=green]")
    audience.page.unroute("**/api/events")
    audience.page.clock.run_for(30_000)
    audience.page.locator(".banner").wait_for(state="hidden")


def test_a_stream_that_falls_silent_is_noticed(screen: Open) -> None:
    """25 s without a heartbeat."""
    audience = screen(None)
    audience.page.clock.install()
    audience.open()
    audience.is_at(STARTED)
    opened = len([url for url in audience.requested if url.endswith("/api/events")])
    with audience.page.expect_request("**/api/events"):
        for _ in range(13):  # each shorter than what counts as sleep
            audience.page.clock.run_for(2_000)
    assert len([url for url in audience.requested if url.endswith("/api/events")]) > opened
    audience.shows("body[data-connection=live]")


def test_too_many_browsers_are_told_to_close_one(screen: Open) -> None:
    audience = screen(None)
    audience.loses = True
    full = '{"error": {"what": "too many browsers", "where": "/api/events", "next": "close one"}}'
    audience.page.route("**/api/events", lambda route: route.fulfill(status=503, body=full))
    audience.open()
    audience.sees(".banner", "Too many browsers show this stage. Close one")


def test_without_scripts_a_sentence_says_so(screen: Open) -> None:
    """Chromium's emulation does not show what is in `noscript`, but the sentence for old browsers comes as well."""
    audience = screen(java_script_enabled=False)
    assert "<noscript><p>The stage needs JavaScript." in audience.page.content()
    audience.shows("#starting .late")


def test_a_browser_that_cannot_run_the_scripts_gets_a_sentence(screen: Open) -> None:
    audience = screen(None)
    audience.loses = True
    audience.page.route("**/static/js/**", lambda route: route.abort())
    audience.open(starts=False)
    audience.shows("#starting .late")
    audience.sees("#starting .late", "It needs a browser from 2024 or later")


def test_a_page_that_does_not_answer_is_named_and_comes_by_itself(page: type[LabPage], screen: Open) -> None:
    audience = screen()
    audience.loses = True  # the frame may load the error before the stage has seen it
    audience.shows(".page iframe")
    page.down = True
    audience.sees(".missing", "West's page answers with an error (503)")
    audience.sees(".missing", "Run lab status")
    audience.page.locator(".page iframe").wait_for(state="hidden")
    page.down = False
    audience.page.frame_locator(".page iframe").locator("h1").wait_for()


def test_data_is_shown_as_text(stage: PlayedStage, screen: Open) -> None:
    """A text of the server never becomes markup, nor a request."""
    audience = screen()
    audience.is_at(STARTED)
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    dialogs: list[Any] = []

    def note(dialog: Any) -> None:
        dialogs.append(dialog)

    audience.page.on("dialog", note)
    shown = stage.state()
    shown["steps"][0].update(title=evil, narration=evil, script=evil)
    stage.extra = {"steps": shown["steps"], "notes": [{"at": 4e9, "text": evil}]}
    stage.publish_state()
    audience.is_at(evil)
    audience.sees(".log", evil)
    assert audience.page.locator("img, script:not([src])").count() == 0
    assert dialogs == []
