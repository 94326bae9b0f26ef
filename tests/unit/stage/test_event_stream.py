"""Server-sent events over real HTTP: order, slow browsers, and places for browsers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.stage import broker, event_stream
from lab.stage.broker import Broker, StageEvent, TooManyReadersError
from tests.unit.stage.kit import FakeStage, Served, served, until


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Served]:
    with served(FakeStage(), static=tmp_path) as found:
        yield found


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
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.01)
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
    monkeypatch.setattr(event_stream, "SLOW_S", 0.2)
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
