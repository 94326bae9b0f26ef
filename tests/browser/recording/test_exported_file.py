"""The exported file in a browser: from a disk, without a network, and as the replay of the server."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.base.names import Json
from lab.stage.recording import export
from lab.stage.recording.player import Player
from lab.stage.recording.tape import Tape
from tests.browser.recording.conftest import Window

Open = Callable[..., Window]


@pytest.fixture(scope="module")
def file(tape: Tape, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export.export(tape, tmp_path_factory.mktemp("export") / "replay.html").file


@pytest.fixture
def opened(window: Open, file: Path) -> Window:
    return window(file.as_uri())


def test_it_opens_from_a_disk_and_asks_nobody(opened: Window, file: Path, expect: Any) -> None:
    expect(opened.time).to_have_text("0:00 / 0:20")
    opened.sees("Step 0")
    opened.page.keyboard.press("Space")
    expect(opened.time).not_to_contain_text("0:00")
    opened.page.keyboard.press("Space")
    expect(opened.page.get_by_role("button", name="Play")).to_be_visible()
    opened.seek(10)
    expect(opened.column("podinfo").get_by_text("last 10 of 10")).to_be_visible()
    assert [url for url in opened.requested if not url.startswith(("data:", "about:"))] == [file.as_uri()]


def test_it_works_without_a_network(window: Open, file: Path, expect: Any) -> None:
    opened = window(file.as_uri(), offline=True)
    expect(opened.time).to_have_text("0:00 / 0:20")
    opened.seek(6)
    opened.sees("Step 1")


def test_a_jump_shows_everything_as_it_was(opened: Window, expect: Any) -> None:
    opened.seek(9)
    opened.sees("Step 1")
    expect(opened.console("east")).to_contain_text("podinfo ClusterIP")
    expect(opened.console("west")).to_contain_text("kubectl scale")
    expect(opened.column("podinfo").get_by_text("last 9 of 9")).to_be_visible()
    expect(opened.column("podinfo-east").get_by_text("last 9 of 9")).to_be_visible()
    opened.seek(2)
    opened.sees("Step 0")
    expect(opened.console("east")).not_to_contain_text("podinfo ClusterIP")
    expect(opened.console("west")).not_to_contain_text("kubectl scale")
    expect(opened.column("podinfo").get_by_text("last 2 of 2")).to_be_visible()


def test_lines_of_a_console_are_as_long_as_they_were(opened: Window, expect: Any) -> None:
    opened.page.set_viewport_size({"width": 900, "height": 700})
    opened.seek(9)
    expect(opened.console("east")).to_contain_text("podinfo ClusterIP")
    widths = "(rows) => [rows.closest('.xterm-screen').clientWidth, rows.closest('.terminal').clientWidth]"
    text, room = opened.console("east").evaluate(widths)
    assert 0 < text <= room


def test_it_plays_to_its_end_and_stands_still_there(opened: Window, expect: Any) -> None:
    opened.page.get_by_label("Speed").select_option("8")
    opened.page.get_by_role("button", name="Play").click()
    expect(opened.time).to_have_text("0:20 / 0:20")
    expect(opened.page.get_by_role("button", name="Play")).to_be_visible()
    opened.sees("Step 2")
    expect(opened.column("podinfo-east").get_by_text(re.compile("of 17"))).to_be_visible()


def test_a_pause_is_not_taken_for_a_lost_connection(opened: Window, expect: Any) -> None:
    opened.seek(14)
    expect(opened.lab.get_by_text("live", exact=True)).to_be_visible()
    opened.page.get_by_role("button", name="Play").click()
    expect(opened.time).not_to_contain_text("0:14")
    opened.page.get_by_role("button", name="Pause").click()
    expect(opened.column("podinfo").get_by_text(re.compile(r"of 1\d"))).to_be_visible()
    opened.page.wait_for_timeout(8000)  # longer than the page waits for a sign of life
    expect(opened.lab.get_by_text("live", exact=True)).to_be_visible()
    expect(opened.lab.get_by_text("No sign of life")).not_to_be_visible()


def test_a_stream_that_broke_is_shown_as_broken(opened: Window, expect: Any) -> None:
    opened.seek(12)
    expect(opened.lab.get_by_text("connection refused: nothing listens there")).to_be_visible()
    expect(opened.lab.get_by_text("The frontend does not answer")).to_be_visible()
    expect(opened.lab.get_by_text("So it was when this was recorded.")).to_be_visible()


def test_the_player_has_the_only_controls(opened: Window, expect: Any) -> None:
    expect(opened.column("podinfo")).to_be_visible()
    expect(opened.lab.locator("#run")).to_be_hidden()
    expect(opened.lab.locator("#rate")).to_be_hidden()


def test_the_address_can_name_a_moment(window: Open, file: Path, expect: Any) -> None:
    opened = window(f"{file.as_uri()}#t=6")
    expect(opened.time).to_have_text("0:06 / 0:20")
    expect(opened.page.get_by_role("button", name="Play")).to_be_visible()
    playing = window(f"{file.as_uri()}#t=6&play")
    expect(playing.page.get_by_role("button", name="Pause")).to_be_visible()


@pytest.mark.parametrize("at_s", [0, 3, 4, 5, 8, 12, 15, 20])
def test_its_player_and_that_of_the_server_tell_the_same(opened: Window, tape: Tape, at_s: int) -> None:
    player = Player(tape=tape, page_url="")
    player.control("seek", at_s=float(at_s))
    opened.seek(at_s)
    assert comparable(opened.state()) == comparable(player.state())


def comparable(state: Json) -> Json:
    """The state without what depends on the moment in which it is read."""
    left_out = {"page": None, "clock": round(state["clock"]["elapsed_s"])}
    running = state["running"] and {**state["running"], "since": round(state["running"]["since"] / 100)}
    replay = {**state["replay"], "at_s": round(state["replay"]["at_s"]), "recorded_at": 0}
    return {**state, **left_out, "running": running, "replay": replay}


def test_nothing_can_be_done_in_it(opened: Window, expect: Any) -> None:
    answer = opened.page.evaluate(
        "fetch('/api/wish', {method: 'POST', body: '{}'}).then(async (a) => [a.status, (await a.json()).error.what])"
    )
    assert answer == [409, "this is a replay: it only shows what was"]
    opened.seek(5)
    opened.page.get_by_label("Console east").focus()
    opened.page.keyboard.type("rm -rf /")
    expect(opened.console("east")).not_to_contain_text("rm -rf")
