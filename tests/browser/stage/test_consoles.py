"""The consoles on the screen: real shells, into which a person and the steps type; and the live objects beside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.base.names import Json
from tests.browser.stage.played import PlayedStage, Theatre, played
from tests.browser.stage.screens import Screen

Open = Callable[..., Screen]
WEST = "#console-west .terminal"
FOUR = config.parse(
    "\n".join(
        f'[clusters.{name}]\npod_cidr = "10.{20 + n}.0.0/16"\nservice_cidr = "10.{120 + n}.0.0/16"\n'
        f'ingress_port = {8090 + n}\npodinfo = {{ color = "{color}" }}'
        for n, (name, color) in enumerate([("north", "#009e73"), ("south", "#cc79a7")])
    )
)
"""A lab with four clusters."""


def test_a_person_types_into_a_console(screen: Open) -> None:
    audience = screen()
    audience.console_shows("west", "(west)")
    audience.click(WEST)
    audience.page.keyboard.type("echo 6 times 7 is $((6 * 7))\n")
    audience.console_shows("west", "6 times 7 is 42")
    assert "42" not in audience.console_text("east")


def test_a_long_text_can_be_pasted(screen: Open) -> None:
    audience = screen()
    audience.console_shows("west", "(west)")
    audience.click(WEST)
    audience.page.locator(f"{WEST} textarea").evaluate(
        """(element, length) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", "#" + "é".repeat(length) + "the end");
            element.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }""",
        50_000,  # 100 kB: more than the server takes in one message
    )
    audience.console_shows("west", "the end")


def test_the_keys_of_a_console_belong_to_it_until_they_are_given_back(stage: PlayedStage, screen: Open) -> None:
    audience = screen()
    audience.console_shows("west", "(west)")
    audience.click(WEST)
    audience.sees("#console-west .back", "Keys go here")
    for key in ("c", "s", "u", "1", "PageDown", "ArrowRight"):
        audience.press(key)
    audience.console_shows("west", "csu1")
    assert stage.turn == 0
    audience.press("Escape")
    audience.press("Escape")
    audience.page.locator("#console-west .back").wait_for(state="hidden")
    audience.press("Enter")
    audience.sees(".status", "Runs")
    assert stage.turn == 1


def test_a_visible_button_gives_the_keys_back(screen: Open) -> None:
    audience = screen()
    audience.console_shows("west", "(west)")
    audience.click(WEST)
    audience.click("#console-west .back")
    audience.page.locator("#console-west .back").wait_for(state="hidden")
    audience.press("?")
    audience.shows("dialog")


def test_what_was_shown_is_shown_once_after_a_reload(screen: Open) -> None:
    audience = screen()
    audience.console_shows("west", "(west)")
    audience.click(WEST)
    audience.page.keyboard.type("echo one-and-only\n")
    audience.console_shows("west", "one-and-only(west)")
    before = audience.console_text("west")
    audience.page.reload()
    audience.console_shows("west", "one-and-only(west)")
    assert audience.console_text("west").count("one-and-only") == before.count("one-and-only")


def test_a_second_terminal_comes_with_the_step_that_opens_it_and_goes_with_its_end(
    stage: PlayedStage, screen: Open
) -> None:
    audience = screen()
    stage.go_to("dev_loop/header")
    audience.is_at("my-service as a process, for one header")
    audience.shows(".go:not([aria-disabled])")
    audience.press("Enter")
    audience.shows(".status[data-look=green]")
    audience.sees("#console-west .caption", "west, another terminal")
    assert audience.page.locator(f"{WEST} .xterm-rows").count() == 2
    stage.go_to("dev_loop/shared")
    audience.hides("#console-west .caption")
    assert audience.page.locator(f"{WEST} .xterm-rows").count() == 1


def test_more_clusters_share_the_two_places_with_tabs(screen: Open, four: Theatre) -> None:
    first = screen(None)
    first.loses = True  # its stage ends before its window
    audience = Screen(first.page, four)
    audience.open()
    tabs = audience.page.locator("[role=tab]")
    audience.sees("[role=tab] >> nth=0", "East")
    assert tabs.all_text_contents() == ["East", "north", "West", "south"]
    audience.click("[role=tab]:has-text('north')")
    audience.shows("#console-north .xterm")
    audience.page.locator("#console-east").wait_for(state="hidden")
    audience.page.locator("[role=tab]:has-text('north')").press("ArrowLeft")
    audience.shows("#console-east")
    audience.click("[role=tab]:has-text('south')")
    audience.page.locator("#console-west").wait_for(state="hidden")
    four.stage.go_to(3)
    audience.is_at("Half and half")
    audience.page.evaluate("document.activeElement.blur()")
    audience.shows(".go:not([aria-disabled])")
    audience.press("Enter")
    audience.shows("#console-west")  # a step types there


@pytest.fixture
def four(tmp_path: Path, theatre: Theatre) -> Iterator[Theatre]:
    (tmp_path / "four").mkdir()
    with played(tmp_path / "four", spec=FOUR, page_url=theatre.stage.facts.page_url) as made:
        yield made


def test_a_replay_shows_consoles_that_nobody_types_into(stage: PlayedStage, screen: Open) -> None:
    replay = {"at_s": 83.0, "length_s": 912.0, "playing": False, "speed": 1, "run": "20261127-090000"}
    stage.extra = {"mode": "replay", "replay": replay}
    audience = screen()
    audience.sees(".mode", "Replay of a recorded run")
    audience.sees("#replay .time", "1:23 / 15:12")
    audience.sees("#console-west .state", "read only")
    audience.click(WEST)
    audience.page.keyboard.type("echo no\n")
    audience.press("Escape")
    audience.press("Escape")
    asked: list[Any] = []
    audience.page.route("**/api/replay", lambda route: (asked.append(route.request.post_data_json), route.fulfill())[1])
    for key in (" ", "ArrowRight", "PageUp"):
        with audience.page.expect_request("**/api/replay"):
            audience.press(key)
    assert [(one["action"], one["at"]) for one in asked] == [("play", 83), ("seek", 93), ("seek", 73)]
    assert "echo" not in audience.console_text("west")
    assert stage.turn == 0


def panel(**changes: Json) -> Json:
    pod = {"namespace": "test", "app": "podinfo", "ready": "2/2", "phase": "Running", "restarts": 0, "node_ready": True}
    service = {"namespace": "test", "type": "ClusterIP", "address": "10.111.9.4", "ports": [9898], "change": None}
    return {
        "cluster": "west",
        "at": time.time(),
        "reachable": True,
        "problem": None,
        "pods": [{**pod, "name": "podinfo-6c8d5b9f4d-x7k2p", "change": None}],
        "services": [{**service, "name": "podinfo-east", "mirror_of": "east"}],
        "gateways": [],
        "links": [{"to": "east", "ok": True, "words": "alive", "change": None}],
        "policies": [],
        "events": [],
        **changes,
    }


def test_objects_appear_change_and_disappear(stage: PlayedStage, screen: Open) -> None:
    audience = screen()
    audience.sees("#panel-west", "No objects yet")
    stage.panel(panel())
    audience.sees("#panel-west [data-of=pods] li", "podinfo …x7k2p")
    audience.sees("#panel-west [data-of=services] li", "from east")
    (old,) = panel()["pods"]
    new = {**old, "name": "podinfo-6c8d5b9f4d-n3w0p", "ready": "1/2", "change": "new"}
    link = {"to": "east", "ok": False, "words": "gateway does not answer", "change": "changed"}
    stage.panel(panel(pods=[{**old, "change": "gone"}, new], links=[link]))
    audience.sees("#panel-west [data-change=gone]", "x7k2p")
    audience.sees("#panel-west [data-change=new]", "n3w0p")
    audience.sees("#panel-west [data-sign=bad][data-change=changed]", "gateway does not answer")
    stage.panel(panel(reachable=False, problem="west's API server does not answer"))
    audience.sees("#panel-west .problem", "west's API server does not answer")
    audience.press("o")
    audience.page.locator("#panel-west").wait_for(state="hidden")
    audience.page.reload()
    audience.shows("#console-west .xterm")
    audience.page.locator("#panel-west").wait_for(state="hidden")  # remembered
    audience.click("#console-west .objects")
    audience.shows("#panel-west")


def test_a_step_that_waits_for_a_persons_program_says_so_and_goes_on(stage: PlayedStage, screen: Open) -> None:
    audience = screen()
    presenter = screen("presenter", within=audience.page.context)
    audience.console_shows("west", "(west)")
    stage.go_to("request_routing/half")
    audience.is_at("Half and half")
    audience.shows(".go:not([aria-disabled])")
    audience.click(WEST)
    audience.page.keyboard.type("cat\n")
    audience.sees("#console-west .state", "busy")
    audience.click("#console-west .back")
    before = audience.page.locator("#floor").bounding_box()
    audience.press("Enter")
    for one, status in ((audience, ".status"), (presenter, "#notes .running")):
        one.sees(status, "west's console is busy: finish or press Ctrl-C there")
    assert audience.page.locator("#floor").bounding_box() == before, "a long status moves nothing"
    audience.click(WEST)
    audience.press("Control+c")
    audience.shows(".status[data-look=green]")
