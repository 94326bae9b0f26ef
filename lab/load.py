"""A steady load: every request is sent on time and counted, whatever becomes of it.

The load is open-loop: request n is due at n / rate seconds, however long others take, so a slow or dead target shows
as latency and losses, never as a lower rate (no "coordinated omission"). Nothing is left out: a request that could
not be sent, or whose answer is still missing at the end, is lost, and stands in the recording.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lab import events
from lab.evidence import Json
from lab.stats import percentile

REQUEST_TIMEOUT_S = 5.0
_MAX_UNDER_WAY = 300
LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request: when it was due (seconds since the load began), how long it took, and who answered.

    `answered_by` is the cluster that answered, None for a lost request; then `error` has the words. `attempts` counts
    how often the client had to ask: more than 1 is a retry.
    """

    at_s: float
    latency_ms: float
    answered_by: str | None
    pod: str = ""
    error: str = ""
    attempts: int = 1


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Something that was done to the lab while the load ran, at so many seconds since the load began."""

    at_s: float
    text: str


Ask = Callable[[], Request]
"""Sends one request and returns what became of it (`at_s` is filled in by the load); never raises for a lost one."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Numbers of the time between two marks.

    `rto_s`: seconds from the phase's mark until requests were answered again for good: 0 when none was lost, None
    when the last request of the phase was lost too.
    """

    name: str
    from_s: float
    to_s: float
    sent: int
    answered_by: Mapping[str, int]
    lost: int
    retried: int
    rto_s: float | None
    p50_ms: float | None
    p99_ms: float | None

    @property
    def words(self) -> str:
        """The numbers in one line."""
        by = ", ".join(f"{name} {count}" for name, count in self.answered_by.items()) or "nobody"
        rto = "did not recover" if self.rto_s is None else f"recovered in {self.rto_s:.1f} s" if self.lost else ""
        p99 = f"p50 {self.p50_ms:.0f} ms, p99 {self.p99_ms:.0f} ms" if self.p50_ms and self.p99_ms else ""
        parts = [f"{self.sent} sent", f"answered by {by}", f"{self.lost} lost", f"{self.retried} retried", rto, p99]
        return f"{self.name}: " + ", ".join(part for part in parts if part)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A load that has ended: every request, and what was done meanwhile."""

    name: str
    rate_per_s: float
    requests: tuple[Request, ...]
    marks: tuple[Mark, ...]

    @property
    def lost(self) -> tuple[Request, ...]:
        """The requests without an answer."""
        return tuple(request for request in self.requests if request.answered_by is None)

    def phases(self) -> tuple[Phase, ...]:
        """Return the numbers from each mark to the next; requests before the first mark are the phase "before"."""
        end_s = max([r.at_s for r in self.requests] + [m.at_s for m in self.marks], default=0.0) + 1e-9
        starts = [(0.0, "before"), *((mark.at_s, mark.text) for mark in self.marks)]
        ends = [start for start, _ in starts[1:]] + [end_s]
        return tuple(
            _phase(name, start, end, [r for r in self.requests if start <= r.at_s < end])
            for (start, name), end in zip(starts, ends, strict=True)
        )

    @classmethod
    def of_json(cls, data: Json) -> Recording:
        """Read a recording back, as `as_json` wrote it."""
        rows = (dict(zip(data["columns"], row, strict=True)) for row in data["requests"])
        return cls(
            name=data["name"],
            rate_per_s=data["rate_per_s"],
            requests=tuple(Request(**row) for row in rows),
            marks=tuple(Mark(**mark) for mark in data["marks"]),
        )

    def last_answer_s(self, cluster: str, *, since: Mark) -> float:
        """Return how many seconds after a mark this cluster still answered a request; 0 where it answered none."""
        late = [r.at_s for r in self.requests if r.answered_by == cluster and r.at_s >= since.at_s]
        return max(late) - since.at_s if late else 0.0

    def as_json(self) -> Json:
        """The recording as the report holds it; the requests as rows to keep it small."""
        return {
            "name": self.name,
            "rate_per_s": self.rate_per_s,
            "columns": ["at_s", "latency_ms", "answered_by", "pod", "error", "attempts"],
            "requests": [
                [round(r.at_s, 3), round(r.latency_ms, 2), r.answered_by, r.pod, r.error, r.attempts]
                for r in self.requests
            ],
            "marks": [{"at_s": round(m.at_s, 3), "text": m.text} for m in self.marks],
            "phases": [
                {
                    "name": p.name,
                    "from_s": round(p.from_s, 3),
                    "to_s": round(p.to_s, 3),
                    "sent": p.sent,
                    "answered_by": dict(p.answered_by),
                    "lost": p.lost,
                    "retried": p.retried,
                    "rto_s": None if p.rto_s is None else round(p.rto_s, 3),
                    "p50_ms": p.p50_ms and round(p.p50_ms, 2),
                    "p99_ms": p.p99_ms and round(p.p99_ms, 2),
                }
                for p in self.phases()
            ],
        }


def _phase(name: str, from_s: float, to_s: float, requests: Sequence[Request]) -> Phase:
    answered_by: dict[str, int] = {}
    for request in requests:
        if request.answered_by is not None:
            answered_by[request.answered_by] = answered_by.get(request.answered_by, 0) + 1
    latencies = [request.latency_ms for request in requests if request.answered_by is not None]
    return Phase(
        name=name,
        from_s=from_s,
        to_s=to_s,
        sent=len(requests),
        answered_by=dict(sorted(answered_by.items())),
        lost=len(requests) - len(latencies),
        retried=sum(request.attempts > 1 for request in requests),
        rto_s=recovery_s(requests, since_s=from_s),
        p50_ms=percentile(latencies, 50),
        p99_ms=percentile(latencies, 99),
    )


def recovery_s(requests: Sequence[Request], *, since_s: float) -> float | None:
    """Return the seconds from `since_s` to the first request after which none was lost.

    0 when none was lost; None when the last one was lost. Requests count by the time at which they were due.
    """
    lost_at = [request.at_s for request in requests if request.answered_by is None]
    if not lost_at:
        return 0.0
    after = [request.at_s for request in requests if request.at_s > max(lost_at)]
    return min(after) - since_s if after else None


@dataclass
class Load:
    """A load that runs; `mark` what is done to the lab meanwhile, `stop` to get the recording."""

    name: str
    ask: Ask
    rate_per_s: float
    _began: float = field(default_factory=time.monotonic)
    _requests: list[Request] = field(default_factory=list)
    _marks: list[Mark] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _sender: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._began = time.monotonic()
        self._sender = threading.Thread(target=self._send, name=f"load {self.name}", daemon=True)
        self._sender.start()

    @property
    def now_s(self) -> float:
        """Seconds since the load began."""
        return time.monotonic() - self._began

    def mark(self, text: str) -> None:
        """Note that something is done now; the recording's numbers are split here."""
        self._marks.append(Mark(at_s=self.now_s, text=text))

    def run(self, seconds: float) -> None:
        """Let the load go on for so long."""
        events.progress(f"load {self.name}: {seconds:g} s at {self.rate_per_s:g} requests/s")
        self._over.wait(seconds)

    @property
    def so_far(self) -> Recording:
        """What is there by now; requests under way are not in it."""
        ordered = sorted(self._requests, key=lambda request: request.at_s)
        return Recording(name=self.name, rate_per_s=self.rate_per_s, requests=tuple(ordered), marks=tuple(self._marks))

    def stop(self) -> Recording:
        """Send nothing more, wait for the requests under way (they are bounded), and return everything."""
        self._over.set()
        if self._sender is not None:
            self._sender.join()
        return self.so_far

    def _send(self) -> None:
        with ThreadPoolExecutor(_MAX_UNDER_WAY, thread_name_prefix="load") as threads:
            n = 0
            while not self._over.wait(max(0.0, n / self.rate_per_s - self.now_s)):
                threads.submit(self._one, n / self.rate_per_s)
                n += 1

    def _one(self, due_s: float) -> None:
        try:
            result = self.ask()
        except Exception as error:  # a defect of the probe must not make a request vanish from the count
            result = Request(at_s=0, latency_ms=0, answered_by=None, error=f"{type(error).__name__}: {error}")
        # Latency counts from when the request was due: waiting for a free thread is part of it.
        self._requests.append(
            Request(
                at_s=due_s,
                latency_ms=(self.now_s - due_s) * 1000,
                answered_by=result.answered_by,
                pod=result.pod,
                error=result.error,
                attempts=result.attempts,
            )
        )


@contextmanager
def steady(name: str, ask: Ask, *, rate_per_s: float) -> Iterator[Load]:
    """Run a load while the block runs; it ends with the block, however that ends."""
    load = Load(name=name, ask=ask, rate_per_s=rate_per_s)
    load.start()
    try:
        yield load
    finally:
        load.stop()


def through_frontend(
    bases: Sequence[str], upstream: str, *, timeout_s: float = REQUEST_TIMEOUT_S, host: str | None = None
) -> Ask:
    """Return an Ask that goes through an ingress to a frontend, which calls `upstream` once.

    Args:
        bases: URLs of ingresses, the preferred one first; the next one is a retry, as a client with two addresses
            of a service would make it.
        upstream: the frontend's name of whom to call.
        timeout_s: bound of each try.
        host: the Host header, where it is not the URL's.
    """
    path = f"/api/answers?upstream={upstream}&count=1"

    def ask() -> Request:
        problems: list[str] = []
        for attempt, base in enumerate(bases, start=1):
            try:
                answer = _first_answer(get_json(base, path, timeout_s=timeout_s, host=host))
            except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
                problems.append(f"{urlsplit(base).port}: {type(error).__name__}: {error}")
                continue
            if answer["error"] is None:
                by = str(answer["cluster"] or "unknown")
                return Request(at_s=0, latency_ms=0, answered_by=by, pod=str(answer["pod"] or ""), attempts=attempt)
            problems.append(f"{urlsplit(base).port}: {answer['error']['kind']}: {answer['error']['detail']}")
        return Request(at_s=0, latency_ms=0, answered_by=None, error="; ".join(problems), attempts=len(bases))

    return ask


def _first_answer(body: Mapping[str, Json]) -> Mapping[str, Json]:
    answers = body["answers"]
    if not isinstance(answers, list) or not answers or not isinstance(answers[0], dict):
        raise ValueError("the frontend gave no answers")
    return answers[0]


def get_json(
    base: str, path: str, *, timeout_s: float, host: str | None = None, headers: Mapping[str, str] | None = None
) -> Mapping[str, Json]:
    """GET a JSON object on a connection of its own.

    Raises:
        OSError, http.client.HTTPException: no whole answer.
        ValueError: an answer that is not 200 or no JSON object.
    """
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        sent = {"host": host or parts.netloc, "connection": "close", **(headers or {})}
        connection.request("GET", path, headers=sent)
        response = connection.getresponse()
        body = response.read(1 << 20)
        if response.status != http.client.OK:
            raise ValueError(f"HTTP {response.status}: {body[:120].decode('utf-8', 'replace').strip()}")
    finally:
        connection.close()
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - the answer is at fault
    return found
