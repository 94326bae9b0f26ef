"""A steady load from inside a cluster: its frontend sends the requests, and tells of each over one stream."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from lab import events
from lab.evidence import Json
from lab.load import Mark, Recording, Request

_READ_TIMEOUT_S = 10.0
_LATE_S = 4.0
"""The frontend gives a request up after 3 s (REQUEST_TIMEOUT_S)."""


@dataclass
class StreamLoad:
    """As `lab.load.Load`, but the requests are sent by the frontend behind `base`.

    The frontend counts its requests from 1. Numbers that never arrive, because the stream broke, are lost requests.
    """

    name: str
    base: str
    upstream: str
    rate_per_s: float
    _began: float = field(default_factory=time.monotonic)
    _answers: dict[int, Request] = field(default_factory=dict)
    _marks: list[Mark] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _last: int = 0
    _give_up_s: float = 0.0
    _broken: str = ""
    _reader: threading.Thread | None = None
    _first: datetime | None = None
    _offset_s: float = 0.0

    def start(self) -> None:
        """Begin to read."""
        self._began = time.monotonic()
        self._reader = threading.Thread(target=self._read, name=f"load {self.name}", daemon=True)
        self._reader.start()

    @property
    def now_s(self) -> float:
        """Seconds since the load began."""
        return time.monotonic() - self._began

    def mark(self, text: str) -> None:
        """Note that something is done now."""
        self._marks.append(Mark(at_s=self.now_s, text=text))

    def run(self, seconds: float) -> None:
        """Let the load go on for so long."""
        events.progress(f"load {self.name}: {seconds:g} s at {self.rate_per_s:g} requests/s")
        self._over.wait(seconds)

    def stop(self) -> Recording:
        """Return everything up to now; requests under way are waited for as long as a frontend allows them."""
        if not self._over.is_set():
            self._last, self._give_up_s = max(self._answers, default=0), self.now_s + _LATE_S
            self._over.set()
        if self._reader is not None:
            self._reader.join()
        requests = {n: request for n, request in self._answers.items() if n <= self._last}
        for n in range(1, self._last):
            if n not in requests:
                at_s = (n - 1) / self.rate_per_s
                requests[n] = Request(at_s=at_s, latency_ms=0, answered_by=None, error=self._broken or "never told")
        if self._broken:
            requests[max(requests, default=0) + 1] = Request(
                at_s=self.now_s, latency_ms=0, answered_by=None, error=f"the stream broke: {self._broken}"
            )
        ordered = tuple(sorted(requests.values(), key=lambda request: request.at_s))
        return Recording(name=self.name, rate_per_s=self.rate_per_s, requests=ordered, marks=tuple(self._marks))

    def _read(self) -> None:
        parts = urlsplit(self.base)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_READ_TIMEOUT_S)
        try:
            path = f"/api/stream?upstream={self.upstream}&rate={self.rate_per_s:g}"
            connection.request("GET", path, headers={"accept": "text/event-stream"})
            self._broken = self._follow(connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._broken = f"{type(error).__name__}: {error}"
        finally:
            connection.close()

    def _follow(self, response: http.client.HTTPResponse) -> str:
        """Take answers from the stream; returns what ended it too early, or nothing."""
        if response.status != http.client.OK:
            return f"HTTP {response.status}: {response.read(200).decode('utf-8', 'replace')}"
        kind = ""
        while not self._done():
            line = response.readline().decode("utf-8")
            if not line:
                return "" if self._done() else "the stream ended"
            if line.startswith("event: "):
                kind = line.removeprefix("event: ").strip()
            elif line.startswith("data: ") and kind == "answer":
                self._take(json.loads(line.removeprefix("data: ")))
        return ""

    def _done(self) -> bool:
        if not self._over.is_set():
            return False
        return self.now_s > self._give_up_s or all(n in self._answers for n in range(1, self._last + 1))

    def _take(self, answer: Json) -> None:
        # Times are the cluster's: the nodes and this program share one machine's clock, but not one start.
        sent_at = datetime.fromisoformat(answer["sent_at"])
        if self._first is None:
            self._first = sent_at
            self._offset_s = self.now_s - answer["latency_ms"] / 1000
        at_s = (sent_at - self._first).total_seconds() + self._offset_s
        error = answer["error"]
        self._answers[answer["n"]] = Request(
            at_s=max(0.0, at_s),
            latency_ms=answer["latency_ms"],
            answered_by=None if error else answer["cluster"] or "unknown",
            pod=answer["pod"] or "",
            error=f"{error['kind']}: {error['detail']}" if error else "",
        )


@contextmanager
def steady_inside(name: str, base: str, upstream: str, *, rate_per_s: float) -> Iterator[StreamLoad]:
    """Run a load from inside while the block runs; it ends with the block, however that ends."""
    load = StreamLoad(name=name, base=base, upstream=upstream, rate_per_s=rate_per_s)
    load.start()
    try:
        yield load
    finally:
        load.stop()
