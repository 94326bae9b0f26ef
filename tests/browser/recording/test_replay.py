"""A replay of `lab stage` in a browser: the stage's screen and the lab's page, from the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.recording.conftest import Theatre, Window

Open = Callable[..., Window]


@pytest.fixture
def opened(theatre: Theatre, window: Open) -> Window:  # in this order: windows close before the replay ends
    return window(theatre.door.start_url)


def test_the_screen_shows_the_recording_and_asks_the_stage_only(opened: Window, theatre: Theatre, expect: Any) -> None:
    opened.sees("Step 0")
    expect(opened.page.get_by_text("Replay of a recorded run")).to_be_visible()
    opened.seek(9)
    opened.sees("Step 1")
    expect(opened.console("east")).to_contain_text("podinfo ClusterIP")
    expect(opened.column("podinfo").get_by_text("last 9 of 9")).to_be_visible()
    expect(opened.column("podinfo-east").get_by_text("last 9 of 9")).to_be_visible()
    hosts = {urlsplit(url).netloc for url in opened.requested if not url.startswith(("data:", "blob:"))}
    assert hosts == {f"127.0.0.1:{theatre.door.port}"}


def test_it_plays_and_the_page_with_it(opened: Window, expect: Any) -> None:
    opened.seek(14)
    opened.page.get_by_label("Speed").select_option("4")
    opened.page.get_by_role("button", name="Play").click()
    expect(opened.time).to_have_text("0:20 / 0:20")
    opened.sees("Step 2")
    expect(opened.column("podinfo-east").get_by_text("last 17 of 17")).to_be_visible()


def test_the_page_of_a_jump_is_that_of_the_moment(opened: Window, expect: Any) -> None:
    for at_s, count in ((9, 9), (3, 3), (19, 17)):
        opened.seek(at_s)
        expect(opened.column("podinfo").get_by_text(f"last {count} of {count}")).to_be_visible()


def test_a_broken_stream_is_broken_in_the_replay(opened: Window, expect: Any) -> None:
    opened.seek(12)
    expect(opened.lab.get_by_text("connection refused: nothing listens there")).to_be_visible()


def test_two_windows_show_the_same_moment(opened: Window, window: Open, theatre: Theatre, expect: Any) -> None:
    other = window(theatre.door.start_url)
    other.sees("Step 0")
    opened.seek(16)
    other.sees("Step 2")
    expect(other.time).to_have_text("0:16 / 0:20")
    expect(other.column("podinfo").get_by_text("last 14 of 14")).to_be_visible()


def test_a_reload_shows_the_same_moment(opened: Window, expect: Any) -> None:
    opened.seek(9)
    opened.page.reload()
    opened.sees("Step 1")
    expect(opened.time).to_have_text("0:09 / 0:20")
    expect(opened.column("podinfo").get_by_text("last 9 of 9")).to_be_visible()


def test_a_mark_cannot_be_set_in_the_page_of_a_replay(opened: Window, expect: Any) -> None:
    opened.seek(5)
    expect(opened.column("podinfo").get_by_text("last 5 of 5")).to_be_visible()
    (frame,) = [frame for frame in opened.page.frames if "/replay/page/" in frame.url]
    answer = frame.evaluate("fetch('/api/marks', {method: 'POST', body: '{}'}).then((answer) => answer.status)")
    assert answer == 403
