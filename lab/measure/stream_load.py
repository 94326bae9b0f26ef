"""Send a steady load from inside a cluster: its frontend sends the requests and streams their results."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from lab.base.names import Json
from lab.measure import trouble
from lab.measure.counting import Request
from lab.measure.load import Running
from lab.measure.recording import Recording

_READ_TIMEOUT_S = 10.0
_ACCEPT = {"accept": "text/event-stream"}
_LATE_S = 4.0
"""More than the 3 s after which the frontend times out (REQUEST_TIMEOUT_S)."""
STREAM_MAX_PER_S = 100.0
"""The frontend's limit for one stream (apps/frontend)."""


@dataclass
class StreamLoad(Running):
    """A load that the frontend behind `base` sends.

    The frontend counts its requests from 1. Numbers that never arrive, because the stream broke, are lost requests.
    """

    base: str
    upstream: str
    _answers: dict[int, Request] = field(default_factory=dict, kw_only=True)
    _last: int = field(default=0, kw_only=True)
    _give_up_s: float = field(default=0.0, kw_only=True)
    _broken: str = field(default="", kw_only=True)
    _first: datetime | None = field(default=None, kw_only=True)
    _offset_s: float = field(default=0.0, kw_only=True)

    @property
    def so_far(self) -> Recording:
        """The recording up to now, without the requests under way."""
        answers = dict(self._answers)
        return self._recorded(answers, max(answers, default=0))

    @property
    def under_way(self) -> int:
        """Number of requests that were due and have no result yet."""
        due = 0 if self._first is None else int((self.now_s - self._offset_s) * self.rate_per_s)
        return max(0, due - max(self._answers, default=0))

    def stop(self) -> Recording:
        """Return everything up to now; waits for requests under way, until the frontend's timeout."""
        if not self._over.is_set():
            self._last, self._give_up_s = max(self._answers, default=0), self.now_s + _LATE_S
            self._over.set()
        self._join()
        return self._recorded(dict(self._answers), self._last)

    def _recorded(self, answers: Mapping[int, Request], last: int) -> Recording:
        requests = {n: request for n, request in answers.items() if n <= last}
        for n in range(1, last):
            if n not in requests:
                at_s = (n - 1) / self.rate_per_s
                requests[n] = Request(
                    at_s=at_s, latency_ms=0, answered_by=None, error=self._broken or "no result arrived"
                )
        if self._broken:
            requests[max(requests, default=0) + 1] = Request(
                at_s=self.now_s, latency_ms=0, answered_by=None, error=f"the stream broke: {self._broken}"
            )
        return self._recording(requests.values())

    def _work(self) -> None:
        parts = urlsplit(self.base)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_READ_TIMEOUT_S)
        try:
            connection.request("GET", _path(self.upstream, self.rate_per_s), headers=_ACCEPT)
            self._broken = self._follow(connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._broken = trouble.words(error)
        finally:
            connection.close()

    def _follow(self, response: http.client.HTTPResponse) -> str:
        """Read results from the stream; return why it ended too early, or an empty string."""
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
        # The cluster's timestamps: nodes and this program share the machine's clock, but the load's start differs.
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
            attempts=answer.get("attempts"),
        )


def refusal(base: str, upstream: str, *, rate_per_s: float) -> str:
    """Ask a frontend for a load of one request, and return why it refuses a load at this rate; empty if it does not."""
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_READ_TIMEOUT_S)
    try:
        connection.request("GET", f"{_path(upstream, rate_per_s)}&count=1", headers=_ACCEPT)
        response = connection.getresponse()
        if response.status == http.client.OK:
            response.read()  # to the end of the stream: until then its rate counts as used
            return ""
        return str(json.loads(response.read(1 << 16))["error"]["what"])
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
        return trouble.words(error)
    finally:
        connection.close()


def _path(upstream: str, rate_per_s: float) -> str:
    return f"/api/stream?upstream={upstream}&rate={rate_per_s:g}"
