"""Server-sent events and consoles' WebSockets over real HTTP: order, slow browsers, and places for browsers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from lab.base import wait
from lab.base.wait import NotYet
from lab.stage import broker, streams
from lab.stage.broker import Broker, StageEvent, TooManyReadersError
from tests.unit.stage.kit import FakeStage, Served, served


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Served]:
    with served(FakeStage(), static=tmp_path) as found:
        yield found


def until(what: str, holds: Callable[[], bool]) -> None:
    wait.until(what, lambda: holds() or NotYet("not yet"), timeout_s=60, interval_s=0.01)


class Events:
    """A browser that reads events."""

    def __init__(self, here: Served, cookie: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", here.door.port), timeout=60)
        self.socket.sendall(f"GET /api/events HTTP/1.1\r\nHost: {here.host}\r\nCookie: {cookie}\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers: dict[str, str] = {}
        while line := self.file.readline().decode().strip():
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value
        self.text = b""

    def next(self) -> tuple[int, str, Any]:
        """Return the id, the name and the data of the next event."""
        while b"\n\n" not in self.text:
            size = int(self.file.readline(), 16)
            if size == 0:
                raise EOFError
            self.text += self.file.read(size)
            self.file.readline()
        frame, _, self.text = self.text.partition(b"\n\n")
        if frame.startswith(b":"):
            return 0, ":", frame.decode()
        fields = dict(line.split(": ", 1) for line in frame.decode().splitlines())
        return int(fields["id"]), fields["event"], json.loads(fields["data"])

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@contextmanager
def reading(here: Served) -> Iterator[Events]:
    with here.client() as client:
        events = Events(here, "; ".join(f"{name}={value}" for name, value in client.cookies.items()))
    try:
        yield events
    finally:
        events.close()


def test_a_browser_gets_the_state_the_panels_and_then_every_event_in_order(here: Served) -> None:
    here.stage.broker.publish("note", {"text": "before"})
    with reading(here) as events:
        assert events.status == 200
        assert events.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert events.headers["x-accel-buffering"] == "no"
        assert events.headers["cache-control"] == "no-store"
        assert events.next() == (1, "state", here.stage.state())
        assert events.next()[1:] == ("panel", {"cluster": "west", "pods": []})
        for number in range(100):
            here.stage.broker.publish("note", {"text": f"line\nbreak {number} é"})
        got = [events.next() for _ in range(100)]
        assert [number for number, _, _ in got] == list(range(2, 102))
        assert got[99] == (101, "note", {"text": "line\nbreak 99 é"})


def test_a_quiet_stream_has_a_heartbeat(here: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.01)
    with reading(here) as events:
        events.next(), events.next()
        assert [events.next()[1] for _ in range(3)] == [":"] * 3


def test_at_most_32_browsers_read_and_one_that_leaves_makes_room(here: Served) -> None:
    with ExitStack() as stack:
        browsers = [stack.enter_context(reading(here)) for _ in range(broker.MOST_READERS)]
        assert [browser.status for browser in browsers] == [200] * 32
        with reading(here) as one_more:
            assert (one_more.status, one_more.headers["retry-after"]) == (503, "5")
        browsers[0].close()
        until("a place", lambda: len(here.stage.broker._readers) < broker.MOST_READERS)
        with reading(here) as later:
            assert later.status == 200
    until("no readers", lambda: here.stage.broker._readers == [])


def test_a_browser_that_does_not_read_is_dropped_and_slows_nobody(
    here: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_SLOW_S", 0.2)
    with reading(here) as sleeping, reading(here) as awake:
        sleeping.next()
        got = 0
        big = "x" * 100_000
        while len(here.stage.broker._readers) == 2:
            here.stage.broker.publish("note", {"text": big})
            while awake.next()[1] != "note":
                pass
            got += 1
            assert got < 2000
        here.stage.broker.publish("note", {"text": "last"})
        assert awake.next()[2] == {"text": "last"}


def test_the_end_of_the_stage_ends_every_stream(tmp_path: Path) -> None:
    with served(FakeStage(), static=tmp_path) as here, reading(here) as events:
        events.next(), events.next()
        here.stage.broker.close()
        with pytest.raises(EOFError):
            events.next()
        with reading(here) as late:
            assert late.status == 503


# The broker alone


def test_a_reader_that_is_too_far_behind_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "MOST_WAITING", 3)
    made = Broker()
    reader = made.read(lambda: None, first=lambda: [("state", {})])
    for number in range(2):
        made.publish("note", number)
    assert len(reader.take()) == 3
    for number in range(4):
        made.publish("note", number)
    assert reader.ended
    assert reader.take() == []


def test_what_happens_while_a_reader_begins_comes_after_its_first_frames() -> None:
    made = Broker()

    def first() -> list[tuple[str, Any]]:
        thread = threading.Thread(target=lambda: made.publish("note", "meanwhile"))
        thread.start()
        thread.join()  # a thread that publishes does not wait for a reader that begins
        return [("state", "now")]

    frames = made.read(lambda: None, first=first).take()
    assert [frame.split(b"\n")[1] for frame in frames] == [b"event: state", b"event: note"]


def test_listeners_get_every_event_until_they_leave() -> None:
    made = Broker()
    heard: list[StageEvent] = []
    leave = made.listen(heard.append)
    made.publish("note", 1)
    leave()
    made.publish("note", 2)
    assert [(event.number, event.name, event.data) for event in heard] == [(1, "note", 1)]


def test_a_closed_broker_has_no_places() -> None:
    made = Broker()
    made.close()
    with pytest.raises(TooManyReadersError):
        made.read(lambda: None, first=list)


# Consoles


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
        browser.send(json.dumps({"type": "input", "data": "x" * streams.MOST_MESSAGE}))
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
    for name, status, words in (("west", 503, "too many browsers"), ("north", 404, "no console 'north'")):
        with pytest.raises(InvalidStatus) as refused, console(here, name):
            pass
        assert refused.value.response.status_code == status
        assert words in refused.value.response.body.decode()


def test_requests_reach_the_stage_and_its_reasons_come_back(here: Served) -> None:
    with here.client() as client:
        for path, body in (
            ("/api/wish", {"wish": "go", "at": "demo/one", "turn": 0}),
            ("/api/wish", {"wish": "skip", "at": None}),
            ("/api/check-until-green", {"at": "demo/one"}),
            ("/api/interrupt", {}),
            ("/api/jump", {"to": "demo/two"}),
            ("/api/jump", {"to": 2}),
            ("/api/faults/kill-podinfo-east", {"action": "undo"}),
            ("/api/mark", {"text": " a question "}),
        ):
            assert client.post(path, json=body).status_code == 202, path
        asked = [tuple(getattr(one, "value", one) for one in what) for what in here.stage.asked]
        assert asked == [
            ("wish", "go", "demo/one", 0),
            ("wish", "skip", None, None),
            ("check-until-green", "demo/one"),
            ("interrupt",),
            ("jump", "demo/two"),
            ("jump", 2),
            ("fault", "kill-podinfo-east", True),
            ("mark", "a question"),
        ]
        here.stage.busy = "a step runs"
        answer = client.post("/api/wish", json={"wish": "go", "at": "demo/one"})
        assert (answer.status_code, answer.json()["error"]["what"]) == (409, "a step runs")
        assert client.get("/api/nope").json()["error"]["next"] == "open / or /presenter"
        assert client.get("/api/wish").status_code == 405
        assert client.get("/healthz").json() == {"ok": True}
