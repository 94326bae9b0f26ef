"""Taps are requests of West's frontend, each once."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lab.lab import Lab
from lab.stage.audience import Audience, AudienceAddress
from lab.stage.audience import taps as tapping
from lab.stage.audience.taps import TapResult, Taps

PATIENCE_S = 20
ANSWER = {"n": 1, "cluster": "east", "color": "#123456", "latency_ms": 4.25, "error": None}


class Frontend(ThreadingHTTPServer):
    """West's frontend: `answer` is its answer to a tap, with its status."""

    daemon_threads = True

    def __init__(self) -> None:
        self.status: int = 200
        self.answer: Any = ANSWER
        self.held: threading.Event | None = None
        self.asked: list[tuple[str, str, Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Frontend

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        front = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        front.asked.append((self.command, self.path, json.loads(body) if body else None))
        if front.held is not None:
            front.held.wait(PATIENCE_S)
        text = front.answer if isinstance(front.answer, bytes) else json.dumps({"answer": front.answer}).encode()
        self.send_response(front.status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Set-Cookie", "a=b")
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def frontend() -> Iterator[Frontend]:
    with Frontend() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def taps(frontend: Frontend) -> Iterator[Taps]:
    made = Taps(frontend.base, upstream="podinfo", colors={"east": "#0072b2"})
    made.start()
    yield made
    made.close()


def result(taps: Taps) -> TapResult:
    came: queue.Queue[TapResult] = queue.Queue()
    assert taps.send(came.put)
    return came.get(timeout=PATIENCE_S)


def test_a_tap_is_one_post_to_the_frontend(frontend: Frontend, taps: Taps) -> None:
    assert result(taps) == TapResult(cluster="east", color="#0072b2", latency_ms=4.2)
    assert frontend.asked == [("POST", "/api/taps", {"upstream": "podinfo"})]


def test_a_cluster_that_is_not_in_lab_toml_has_the_colour_of_its_answer(frontend: Frontend, taps: Taps) -> None:
    frontend.answer = {**ANSWER, "cluster": "north"}
    assert result(taps).color == "#123456"
    frontend.answer = {**ANSWER, "cluster": "north", "color": "red; background: url(x)"}
    assert result(taps).color == ""


def test_a_request_that_failed_in_the_mesh_says_how(frontend: Frontend, taps: Taps) -> None:
    frontend.answer = {**ANSWER, "cluster": None, "error": {"kind": "timeout", "detail": "10.0.0.1 did not answer"}}
    assert result(taps) == TapResult(error="No answer: timeout"), "addresses are not for the audience"


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (404, ANSWER, "The lab does not answer. Try again in a moment."),
        (503, ANSWER, "The lab does not answer. Try again in a moment."),
        (200, b"<html>", "The lab does not answer. Try again in a moment."),
        (200, 3, "The lab gave an answer that this page does not understand."),
        (200, {"error": None}, "The lab gave an answer that this page does not understand."),
        (200, {**ANSWER, "latency_ms": "x"}, "The lab gave an answer that this page does not understand."),
    ],
)
def test_any_other_answer_is_an_error_for_people(
    frontend: Frontend, taps: Taps, status: int, answer: Any, words: str
) -> None:
    frontend.status, frontend.answer = status, answer
    assert result(taps) == TapResult(error=words)


def test_a_frontend_that_is_gone_is_an_error_for_people() -> None:
    taps = Taps("http://127.0.0.1:9", upstream="podinfo", colors={})
    taps.start()
    assert result(taps) == TapResult(error="The lab does not answer. Try again in a moment.")
    taps.close()


def test_few_are_sent_at_once_some_wait_and_the_rest_is_refused(
    frontend: Frontend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tapping, "WORKERS", 3)
    frontend.held = threading.Event()
    taps = Taps(frontend.base, upstream="podinfo", colors={})
    taps._waiting = queue.Queue(maxsize=5)
    taps.start()
    came: queue.Queue[TapResult] = queue.Queue()
    sent = 0
    while sent < 8:  # until the workers have taken theirs, the queue can be full
        sent += taps.send(came.put)
    assert not taps.send(came.put)
    frontend.held.set()
    assert {came.get(timeout=PATIENCE_S).cluster for _ in range(8)} == {"east"}
    assert len(frontend.asked) == 8
    taps.close()
    for thread in taps._threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_what_waits_at_the_end_is_not_sent(frontend: Frontend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tapping, "WORKERS", 1)
    frontend.held = threading.Event()
    taps = Taps(frontend.base, upstream="podinfo", colors={})
    taps.start()
    came: queue.Queue[TapResult] = queue.Queue()
    for _ in range(5):
        taps.send(came.put)
    while not frontend.asked:
        assert taps._threads[0].is_alive()
    taps.close()
    frontend.held.set()
    taps._threads[0].join(PATIENCE_S)
    assert len(frontend.asked) == 1


def test_the_audience_of_a_lab_taps_through_wests_ingress(lab: Lab) -> None:
    audience = Audience.of(lab, AudienceAddress.parse("127.0.0.1:0"))
    taps = audience._taps
    assert isinstance(taps, Taps)
    assert (taps._base, taps._upstream) == ("http://127.0.0.1:8080", "podinfo")
    assert set(taps._colors) == {"east", "west"}
    news = threading.Semaphore(0)
    audience.start(news.release)
    assert audience.as_json()["requests"] == 0
    audience.close()
