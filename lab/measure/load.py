"""Send a steady load: every request is sent on time and counted, whatever its result.

The load is open-loop: request n is due at n / rate seconds, however long others take, so a slow or dead target shows
as latency and losses, never as a lower rate (no "coordinated omission"). Every request is recorded: one that
could not be sent, or has no answer at the end, is lost.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from lab.base import limits, wait
from lab.base.concurrency import Threads
from lab.base.names import Json
from lab.measure import trouble
from lab.measure.counting import LoadMark, Request
from lab.measure.recording import Recording

REQUEST_TIMEOUT_S = 5.0
NUMBER = "x-lab-number"
_RATE_PER_S, _LOW_RATE_PER_S, _FEW_PROCESSORS = 50.0, 25.0, 4
_MAX_UNDER_WAY = 300
_MAX_BODY = 1 << 20


def usual_rate_per_s() -> float:
    """Return the requests per second of a load without a chosen rate: 50, or 25 with fewer than 4 processors.

    Each request costs the lab 19 ms of processor time (`lab load podinfo-east`, Istio, 2 processors of 2026). A browser
    beside 50/s needs more than 2 processors have, and a machine that is too busy loses requests that no mesh lost.
    """
    return _LOW_RATE_PER_S if (os.cpu_count() or 1) < _FEW_PROCESSORS else _RATE_PER_S


Ask = Callable[[], Request]
"""Sends one request and returns its result (the load sets `at_s`); never raises for a lost one."""


@dataclass
class Running:
    """A running load: its clock, and marks for changes of the lab meanwhile."""

    name: str
    rate_per_s: float
    _began: float = field(default_factory=time.monotonic, kw_only=True)
    _marks: list[LoadMark] = field(default_factory=list, kw_only=True)
    _over: threading.Event = field(default_factory=threading.Event, kw_only=True)
    _thread: threading.Thread | None = field(default=None, kw_only=True)

    def start(self) -> None:
        """Start to send requests."""
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._work, name=f"load {self.name}", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether it was stopped or abandoned."""
        return self._over.is_set()

    @property
    def now_s(self) -> float:
        """Seconds since the load began."""
        return time.monotonic() - self._began

    def mark(self, text: str) -> None:
        """Record a change of the lab at this moment; the recording starts a new phase here."""
        self._marks.append(LoadMark(at_s=self.now_s, text=text))

    def run(self, seconds: float) -> None:
        """Let the load continue for this time."""
        wait.rest(f"load {self.name}: {seconds:g} s at {self.rate_per_s:g} requests/s", seconds)

    @property
    def so_far(self) -> Recording:
        """The recording up to now, without the requests under way."""
        raise NotImplementedError

    @property
    def under_way(self) -> int:
        """Number of requests that were due and have no result yet."""
        raise NotImplementedError

    def stop(self) -> Recording:
        """Stop sending, wait for the requests under way (they have a time limit), and return the recording."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Stop sending, without waiting for the requests under way."""
        self._over.set()

    def _work(self) -> None:
        raise NotImplementedError

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _recording(self, requests: Iterable[Request]) -> Recording:
        ordered = sorted(requests, key=lambda request: request.at_s)
        return Recording(name=self.name, rate_per_s=self.rate_per_s, requests=tuple(ordered), marks=tuple(self._marks))


T = TypeVar("T", bound=Running)


@contextmanager
def running(load: T) -> Iterator[T]:
    """Run a load while the block runs; it ends with the block, after Ctrl-C without waiting for answers."""
    load.start()
    try:
        yield load
    except KeyboardInterrupt:
        load.abandon()
        raise
    finally:
        if not load.over:
            load.stop()


@dataclass
class Load(Running):
    """A load that is sent from this machine."""

    ask: Ask
    _requests: list[Request] = field(default_factory=list, kw_only=True)
    _due: int = field(default=0, kw_only=True)

    @property
    def so_far(self) -> Recording:
        """The recording up to now, without the requests under way."""
        return self._recording(list(self._requests))

    @property
    def under_way(self) -> int:
        """Number of requests that were due and have no result yet."""
        return max(0, self._due - len(self._requests))

    def stop(self) -> Recording:
        """Stop sending, wait for the requests under way (they have a time limit), and return the recording."""
        self._over.set()
        self._join()
        return self.so_far

    def _work(self) -> None:
        limits.allow_open_files()
        with Threads(_MAX_UNDER_WAY, thread_name_prefix="load") as threads:
            n = 0
            while not self._over.wait(max(0.0, n / self.rate_per_s - self.now_s)):
                threads.submit(self._one, n / self.rate_per_s)
                self._due = n = n + 1

    def _one(self, due_s: float) -> None:
        try:
            result = self._not_sent() if self.over and self.now_s - due_s > REQUEST_TIMEOUT_S else self.ask()
        except Exception as error:  # the count must include the request even if `ask` has a defect
            result = Request(at_s=0, latency_ms=0, answered_by=None, error=trouble.words(error))
        # Latency counts from when the request was due: waiting for a free thread is part of it.
        self._requests.append(
            Request(
                at_s=due_s,
                latency_ms=(self.now_s - due_s) * 1000,
                answered_by=result.answered_by,
                pod=result.pod,
                error=result.error,
                attempts=result.attempts,
                number=result.number,
            )
        )

    def _not_sent(self) -> Request:
        # Each of these would take its whole time limit from a dead target, long after the load has ended.
        error = f"not sent: {_MAX_UNDER_WAY} requests were under way until the load ended"
        return Request(at_s=0, latency_ms=0, answered_by=None, error=error)


def through_frontend(
    bases: Sequence[str],
    upstream: str,
    *,
    timeout_s: float = REQUEST_TIMEOUT_S,
    host: str | None = None,
    numbered: str = "",
) -> Ask:
    """Return an Ask that goes through an ingress to a frontend, which calls `upstream` once.

    The attempts are those that the frontend's own proxy tells of its call, and the Ask's own; not the retries by the
    ingress's proxy on the way to the frontend, which nobody tells. Where the frontend's answers do not tell theirs and
    the Ask has sent a request once, they are not known.

    Args:
        bases: URLs of ingresses, the preferred one first; each further one is for a retry, as in a client with
            several addresses of a service.
        upstream: the frontend's name of the service to call.
        timeout_s: time limit of each attempt.
        host: the Host header, if it differs from the URL's.
        numbered: if given, each request has the header NUMBER with this word and a number: west-1, west-2, …. The
            frontend passes it on to `upstream`, so a request that was sent again has the same number.
    """
    path = f"/api/answers?upstream={upstream}&count=1"
    numbers = itertools.count(1)

    def ask() -> Request:
        number = f"{numbered}-{next(numbers)}" if numbered else ""
        headers = {NUMBER: number} if numbered else None
        problems: list[str] = []
        attempts, told = 0, False
        for base in bases:
            attempts += 1
            try:
                answer = _first_answer(get_json(base, path, timeout_s=timeout_s, host=host, headers=headers))
            except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
                problems.append(f"{urlsplit(base).port}: {trouble.words(error)}")
                continue
            if (by_proxy := answer.get("attempts")) is not None:
                attempts, told = attempts - 1 + by_proxy, True
            known = attempts if told or attempts > 1 else None
            if answer["error"] is None:
                by = str(answer["cluster"] or "unknown")
                pod = str(answer["pod"] or "")
                return Request(at_s=0, latency_ms=0, answered_by=by, pod=pod, attempts=known, number=number)
            problems.append(f"{urlsplit(base).port}: {answer['error']['kind']}: {answer['error']['detail']}")
        known = attempts if told or attempts > 1 else None
        why = "; ".join(problems)
        return Request(at_s=0, latency_ms=0, answered_by=None, error=why, attempts=known, number=number)

    return ask


def plain_get(url: str, *, timeout_s: float = REQUEST_TIMEOUT_S) -> Ask:
    """Return an Ask that GETs a URL; a whole answer with a status of 2xx counts, redirects are not followed.

    Args:
        url: an address with http:// or https://; its host and port are the name of the one who answers.
        timeout_s: time limit of each request.
    """
    parts = urlsplit(url)
    path = urlunsplit(("", "", parts.path or "/", parts.query, ""))

    def ask() -> Request:
        try:
            status, body = _get(url, path, timeout_s=timeout_s, headers={})
            if not http.client.OK <= status < http.client.MULTIPLE_CHOICES:
                raise _bad_status(status, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Request(at_s=0, latency_ms=0, answered_by=None, error=trouble.words(error))
        return Request(at_s=0, latency_ms=0, answered_by=parts.netloc)

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
        OSError, http.client.HTTPException: no complete answer.
        ValueError: the status is not 200, or the body is not a JSON object.
    """
    status, body = _get(
        base, path, timeout_s=timeout_s, headers={**({"host": host} if host else {}), **(headers or {})}
    )
    if status != http.client.OK:
        raise _bad_status(status, body)
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("the answer is not a JSON object")  # noqa: TRY004 - the answer is at fault
    return document


def _get(base: str, path: str, *, timeout_s: float, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """GET a path on a connection of its own; return the status and the body, up to `_MAX_BODY` bytes of it."""
    parts = urlsplit(base)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    until_s = time.monotonic() + timeout_s
    try:
        connection.request("GET", path, headers={"host": parts.netloc, "connection": "close", **headers})
        response = connection.getresponse()
        body = b""
        while len(body) < _MAX_BODY and (piece := response.read1(_MAX_BODY)):
            body += piece
            if time.monotonic() > until_s:  # the socket's own limit is for each piece
                raise TimeoutError(f"no whole answer within {timeout_s:g} s")
        if response.length and len(body) < _MAX_BODY:
            raise http.client.IncompleteRead(body, response.length)
        return response.status, body
    finally:
        connection.close()


def _bad_status(status: int, body: bytes) -> ValueError:
    if 300 <= status < 400:
        return ValueError(f"HTTP {status}: redirects are not followed")
    return ValueError(f"HTTP {status}: {body[:120].decode('utf-8', 'replace').strip()}".removesuffix(": "))
