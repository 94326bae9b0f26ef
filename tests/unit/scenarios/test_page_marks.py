"""Marks reach the page's server, in order, and a page that does not answer is never waited for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from lab.base import wait
from lab.base.wait import NotYet
from lab.scenario.page_marks import PageMarks
from tests.local_http import served


@contextmanager
def frontend(status: int = 201, *, answers: threading.Event | None = None) -> Iterator[tuple[str, list[object]]]:
    got: list[object] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if answers is not None:
                answers.wait(60)
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.path, self.headers["content-type"], self.headers.get("cookie"), json.loads(body)))
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("set-cookie", "x=1")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with served(Handler) as where:
        yield f"http://{where}", got


def until(what: str, holds: object) -> None:
    wait.until(what, lambda: holds() or NotYet("not yet"), timeout_s=60, interval_s=0.01)  # type: ignore[operator]


def test_marks_are_sent_in_order() -> None:
    with frontend() as (url, got):
        marks = PageMarks(url)
        marks.start()
        marks.send("Shift all requests", "step", intended=True)
        marks.send("x" * 500, "note", intended=False)
        until("both", lambda: len(got) == 2)
        marks.close()
    assert got == [
        ("/api/marks", "application/json", None, {"text": "Shift all requests", "kind": "step", "intended": True}),
        ("/api/marks", "application/json", None, {"text": "x" * 120, "kind": "note", "intended": False}),
    ]
    assert marks.lost == 0


def test_marks_that_the_page_refuses_are_counted() -> None:
    with frontend(429) as (url, got):
        marks = PageMarks(url)
        marks.start()
        marks.send("one", "step", intended=True)
        until("the answer", lambda: marks.lost == 1)
        marks.close()
    assert len(got) == 1


def test_without_a_page_nothing_waits() -> None:
    marks = PageMarks("http://127.0.0.1:1")
    marks.start()
    marks.send("one", "step", intended=True)
    until("the failure", lambda: marks.lost == 1)
    marks.close()


def test_a_page_that_hangs_loses_marks_and_holds_nobody_up() -> None:
    go_on = threading.Event()
    with frontend(answers=go_on) as (url, _):
        marks = PageMarks(url)
        marks.start()
        for number in range(200):
            marks.send(str(number), "note", intended=False)
        assert marks.lost >= 200 - 64 - 1
        marks.close()
        go_on.set()
