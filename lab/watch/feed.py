"""Follow the stream of a frontend, and connect again whenever it breaks."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlencode, urlsplit

from lab.base.names import Json
from lab.measure import trouble
from lab.watch.sse import parse

RETRY_S = 2.0
_SILENCE_S = 10.0
"""Longer than any request of a frontend takes: a silent connection is then dead, although nobody closed it."""
_LONGEST_LINE = 1 << 20


class FeedState(Enum):
    """The connection to a frontend."""

    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"
    PAUSED = "paused"


@dataclass(frozen=True, kw_only=True)
class FeedEvent:
    """Something that a feed reports.

    `name` is the name of the frontend's event (`hello`, `answer`, `mark`, …) with its data, or `link` for a change of
    the connection: `{"link": FeedState, "words": why}`.
    """

    upstream: str
    name: str
    data: Json


Deliver = Callable[[FeedEvent], None]
"""Receives events, in the feed's thread."""


class _Refused(Exception):
    """The frontend answered with an error instead of a stream."""


@dataclass(kw_only=True)
class Feed:
    """One stream of one upstream. It sends requests from `start` until `close`.

    Args:
        base: URL of the frontend.
        upstream: the frontend's name of the service.
        rate_per_s: requests per second.
        deliver: receives the events.
        retry_s: seconds between two attempts to connect.
        silence_s: seconds without data after which a connection counts as dead, at a rate of 1/s or more.
    """

    base: str
    upstream: str
    rate_per_s: float
    deliver: Deliver
    retry_s: float = RETRY_S
    silence_s: float = _SILENCE_S
    _closed: threading.Event = field(default_factory=threading.Event)
    _socket: socket.socket | None = None

    def start(self) -> None:
        """Connect, and deliver events from now on."""
        threading.Thread(target=self._work, name=f"feed {self.upstream}", daemon=True).start()

    def close(self) -> None:
        """End the stream; events that are under way may still be delivered."""
        self._closed.set()
        if (connected := self._socket) is not None:
            with contextlib.suppress(OSError):  # closed meanwhile
                connected.shutdown(socket.SHUT_RDWR)

    def _work(self) -> None:
        self._tell(FeedState.CONNECTING, "connecting")
        while not self._closed.is_set():
            try:
                words = self._follow()
            except _Refused as error:
                words = str(error)
            except TimeoutError:
                words = f"nothing arrived for {self._limit_s:g} s; a proxy on the way may hold the stream back"
            except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
                words = trouble.words(error)
            if self._closed.is_set():
                return
            self._tell(FeedState.LOST, words)
            self._closed.wait(self.retry_s)

    @property
    def _limit_s(self) -> float:
        return max(self.silence_s, 2 / self.rate_per_s)

    def _follow(self) -> str:
        """Deliver the events of one connection; return why it ended."""
        parts = urlsplit(self.base)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=self._limit_s)
        query = urlencode({"upstream": self.upstream, "rate": f"{self.rate_per_s:g}"})
        try:
            connection.connect()
            self._socket = connection.sock  # the connection itself forgets it when the response has no end
            connection.request("GET", f"/api/stream?{query}", headers={"accept": "text/event-stream"})
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise _Refused(problem_words(response.status, response.read(1 << 16)))
            for event in parse(_lines(response)):
                if self._closed.is_set():
                    return ""
                data = json.loads(event.data)
                if event.name == "end":
                    return f"the frontend ended the stream: {data['reason']}"
                if event.name == "hello":
                    self._tell(FeedState.LIVE, "live")
                self.deliver(FeedEvent(upstream=self.upstream, name=event.name, data=data))
            return "the stream ended"
        finally:
            self._socket = None
            connection.close()

    def _tell(self, link: FeedState, words: str) -> None:
        self.deliver(FeedEvent(upstream=self.upstream, name="link", data={"link": link, "words": words}))


def problem_words(status: int, body: bytes) -> str:
    """Return what the frontend, or a proxy before it, says about a refused request."""
    try:
        error = json.loads(body)["error"]
        return f"{error['what']} ({error['where']})"
    except (ValueError, LookupError, TypeError):
        text = " ".join(body[:120].decode("utf-8", "replace").split())
        return f"HTTP {status}: {text}".removesuffix(": ")


def _lines(response: http.client.HTTPResponse) -> Iterator[str]:
    while line := response.readline(_LONGEST_LINE):
        if not line.endswith(b"\n") and len(line) >= _LONGEST_LINE:
            raise ValueError("the stream has a line of more than 1 MiB")
        yield line.decode("utf-8")
