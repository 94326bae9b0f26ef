"""A feed follows a real frontend, and connects again whenever the stream breaks."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler

import httpx2
import pytest

from lab.watch import facts
from lab.watch.facts import DocumentPoller
from lab.watch.feed import Feed, FeedState
from tests.local_http import served
from tests.unit.watch.conftest import Inbox, LocalFrontend


@contextmanager
def following(base: str, inbox: Inbox, *, rate_per_s: float = 50, silence_s: float = 10) -> Iterator[Feed]:
    feed = Feed(base=base, upstream="podinfo", rate_per_s=rate_per_s, deliver=inbox, retry_s=0.05, silence_s=silence_s)
    feed.start()
    try:
        yield feed
    finally:
        feed.close()


def free_per_s(frontend: LocalFrontend) -> float:
    """Return the rate that the frontend's open streams leave."""
    with closing(http.client.HTTPConnection("127.0.0.1", frontend.port)) as connection:
        connection.request("GET", "/api/stream?rate=100&count=1")
        response = connection.getresponse()
        body = response.read()
    return 100.0 if response.status == 200 else float(json.loads(body)["error"]["what"].split()[0])


def test_answers_arrive_after_the_greeting(frontend: LocalFrontend, inbox: Inbox) -> None:
    with following(frontend.base, inbox):
        assert inbox.next("link").data["link"] is FeedState.CONNECTING
        inbox.next("link", link=FeedState.LIVE)
        assert inbox.next("hello").data["frontend"]["cluster"] == "west"
        first, second = inbox.next("answer").data, inbox.next("answer").data
    assert {first["cluster"], second["cluster"]} == {"east", "west"}


def test_a_frontend_that_restarts_is_found_again(inbox: Inbox) -> None:
    frontend = LocalFrontend()
    with frontend.running(), following(frontend.base, inbox):
        inbox.next("answer")
    with following(frontend.base, inbox):
        assert "connection refused" in inbox.next("link", link=FeedState.LOST).data["words"]
        with frontend.running():
            inbox.next("link", link=FeedState.LIVE)
            inbox.next("answer", n=1)


def test_a_frontend_that_ends_its_stream_is_left_with_its_reason(inbox: Inbox) -> None:
    frontend = LocalFrontend()
    with frontend.running():
        feed = Feed(base=frontend.base, upstream="podinfo", rate_per_s=50, deliver=inbox, retry_s=0.05)
        feed.start()
        inbox.next("answer")
    assert "the frontend ended the stream: stop" in inbox.next("link", link=FeedState.LOST).data["words"]
    feed.close()


def test_a_used_up_budget_is_said_in_the_frontends_words(inbox: Inbox) -> None:
    frontend = LocalFrontend(settings={"stream_budget_per_s": 60})
    with frontend.running(), following(frontend.base, Inbox()) as first:
        first.deliver = inbox
        inbox.next("answer")
        with following(frontend.base, inbox):
            words = inbox.next("link", link=FeedState.LOST).data["words"]
            assert "10 of 60 requests/s are free, not 50" in words
            first.close()
            inbox.next("link", link=FeedState.LIVE)


def test_a_closed_feed_gives_its_budget_back(inbox: Inbox) -> None:
    frontend = LocalFrontend(settings={"stream_budget_per_s": 100})
    with frontend.running():
        with following(frontend.base, inbox):
            inbox.next("answer")
            assert free_per_s(frontend) == 50
        while free_per_s(frontend) != 100:
            pass


class Silent(BaseHTTPRequestHandler):
    """Answers as a proxy that keeps the stream to itself."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.connection.recv(1)  # until the client goes

    def log_message(self, *_: object) -> None: ...


class Odd(BaseHTTPRequestHandler):
    """Answers with something that is not a stream of a frontend."""

    body, status = b"", 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None: ...


def test_a_stream_that_is_held_back_is_named_as_such(inbox: Inbox) -> None:
    with served(Silent) as address, following(f"http://{address}", inbox, silence_s=0.05):
        words = inbox.next("link", link=FeedState.LOST).data["words"]
    assert "nothing arrived for 0.05 s; a proxy on the way may hold the stream back" in words


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>hello</html>", "the stream ended"),
        (200, b"event: hello\ndata: {\n\n", "JSONDecodeError"),
        (200, b"data: " + b"x" * (1 << 20), "a line of more than 1 MiB"),
        (200, b"event: end\ndata: {}\n\n", "KeyError"),
        (404, b"no such page", "HTTP 404: no such page"),
        (503, b'{"error": {"what": "full", "where": "here"}}', "full (here)"),
    ],
)
def test_an_odd_answer_is_a_reason_to_connect_again(status: int, body: bytes, words: str, inbox: Inbox) -> None:
    handler = type("Handler", (Odd,), {"status": status, "body": body})
    with served(handler) as address, following(f"http://{address}", inbox):
        assert words in inbox.next("link", link=FeedState.LOST).data["words"]


@contextmanager
def asking(base: str, inbox: Inbox) -> Iterator[DocumentPoller]:
    asker = DocumentPoller(base=base, upstreams=["podinfo"], deliver=inbox, every_s=0.02)
    asker.start()
    try:
        yield asker
    finally:
        asker.close()


def test_identities_come_with_their_proof(frontend: LocalFrontend, inbox: Inbox) -> None:
    with asking(frontend.base, inbox):
        found = inbox.next("identity").data["identity"]
    assert (found["mtls"], found["client"]["trust_domain"]) == (True, "west.example")


def test_a_failed_question_is_a_problem_and_no_end(frontend: LocalFrontend, inbox: Inbox) -> None:
    frontend.answer = lambda _: httpx2.Response(503, text="gone")
    with asking(frontend.base, inbox):
        assert "status: HTTP 503: gone" in inbox.next("identity").data["problem"]
        frontend.answer = None
        assert inbox.next("identity", schema="frontend/identity/v1").data["identity"]["mtls"]


def test_a_document_that_a_frontend_lacks_is_asked_for_once(inbox: Inbox) -> None:
    asked: list[str] = []

    class Old(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404 if "split" in self.path else 200)
            self.end_headers()
            self.wfile.write(b'{"identity": {"mtls": false}}')

        def log_message(self, *_: object) -> None: ...

    with served(Old) as address, asking(f"http://{address}", inbox):
        for _ in range(4):
            inbox.next("identity")
    assert asked.count("/api/split?upstream=podinfo") == 1


def test_the_upstreams_are_read_or_refused(frontend: LocalFrontend) -> None:
    assert [one["name"] for one in facts.upstreams(frontend.base)] == ["podinfo", "podinfo-east"]
    for body in (b"[]", b'{"upstreams": 3}', b"<html>"):
        with (
            served(type("Handler", (Odd,), {"body": body})) as address,
            pytest.raises(ValueError, match=r"list|JSON|line"),
        ):
            facts.upstreams(f"http://{address}")
