"""Consoles' WebSockets over real HTTP: what a console shows and takes, slow browsers, and places for browsers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from lab.stage import console_socket
from tests.unit.stage.kit import FakeStage, Served, served, until


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Served]:
    with served(FakeStage(), static=tmp_path) as found:
        yield found


@contextmanager
def console(here: Served, name: str = "west") -> Iterator[ClientConnection]:
    with here.client() as client:
        cookie = "; ".join(f"{key}={value}" for key, value in client.cookies.items())
    with connect(
        f"ws://{here.host}/ws/console/{name}",
        additional_headers={"Cookie": cookie},
        origin=f"http://{here.host}",  # type: ignore[arg-type]
        proxy=None,
        open_timeout=60,
        close_timeout=1,
    ) as opened:
        size = opened.recv(timeout=60)
        assert isinstance(size, str)
        assert json.loads(size)["type"] == "size"
        yield opened


def test_a_console_shows_what_it_showed_and_then_what_happens_and_takes_keys(here: Served) -> None:
    with console(here) as browser:
        assert browser.recv(timeout=60) == b"west$ "
        (viewer,) = here.stage.west.viewers
        viewer.receive(b"\x1b[1mbold\xc3")
        viewer.receive(b"\xa9")
        got = b""
        while len(got) < 10:
            part = browser.recv(timeout=60)
            assert isinstance(part, bytes)
            got += part
        assert got == b"\x1b[1mbold\xc3\xa9"
        browser.send(json.dumps({"type": "input", "data": "ls\r"}))
        browser.send(json.dumps({"type": "resize", "cols": 100, "rows": 30}))
        assert json.loads(browser.recv(timeout=60)) == {"type": "size", "cols": 100, "rows": 30}
        until("the size", lambda: here.stage.west.sizes == [(100, 30)])
        assert here.stage.west.typed == ["ls\r"]
    until("no viewer", lambda: here.stage.west.viewers == [])


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        "[" * 50_000,
        '{"type": "dance"}',
        '{"type": "input"}',
        '{"type": "input", "data": 1}',
        '{"type": "resize", "cols": 1, "rows": 30}',
        '{"type": "resize", "cols": 100, "rows": 100000}',
        '{"type": "resize", "cols": 100.5, "rows": 30}',
        b"binary",
    ],
)
def test_a_message_of_another_form_ends_the_connection(here: Served, message: str | bytes) -> None:
    with console(here) as browser:
        browser.recv(timeout=60)
        browser.send(message)
        with pytest.raises(ConnectionClosed):
            browser.recv(timeout=60)
        assert browser.close_code == 1003
    until("no viewer", lambda: here.stage.west.viewers == [])
    assert (here.stage.west.typed, here.stage.west.sizes) == ([], [])


def test_a_message_that_is_too_large_is_not_read(here: Served) -> None:
    with console(here) as browser:
        browser.recv(timeout=60)
        browser.send(json.dumps({"type": "input", "data": "x" * console_socket.MOST_MESSAGE}))
        with pytest.raises(ConnectionClosed):
            browser.recv(timeout=60)
        assert browser.close_code == 1009
    assert here.stage.west.typed == []


def test_a_browser_that_does_not_keep_up_is_disconnected(here: Served) -> None:
    with console(here) as browser:
        browser.recv(timeout=60)
        (viewer,) = here.stage.west.viewers
        for _ in range(40):
            viewer.receive(b"x" * 100_000)  # never waits
        with suppress(ConnectionClosed):
            while True:
                browser.recv(timeout=60)
        assert browser.close_code == 1013
    until("no viewer", lambda: here.stage.west.viewers == [])


def test_a_console_that_ends_tells_its_last_bytes(here: Served) -> None:
    with console(here) as browser:
        browser.recv(timeout=60)
        (viewer,) = here.stage.west.viewers
        viewer.receive(b"bye")
        viewer.ended()
        assert browser.recv(timeout=60) == b"bye"
        with pytest.raises(ConnectionClosed):
            browser.recv(timeout=60)


def test_a_console_with_too_many_viewers_and_one_that_does_not_exist(here: Served) -> None:
    here.stage.west.full = True
    for name, status, words in (("west", 503, "too many browsers"), ("north", 404, "unknown console 'north'")):
        with pytest.raises(InvalidStatus) as refused, console(here, name):
            pass
        assert refused.value.response.status_code == status
        assert words in refused.value.response.body.decode()
