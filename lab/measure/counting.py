"""Count a steady load: slots of equal length, the phases between its marks, its gaps, and percentiles.

`lab load` counts an ended load at once; the frontend counts its streams request by request, with this same file
(apps/frontend/frontend/counting.py is a symbolic link to it). So this module needs the standard library only, and the
functions for a whole load are folds of the counters for one request after the other.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

BEFORE = "before"
"""Name of the phase before the first mark."""
GAP_ENDS_S = 2.0
"""A gap ends when no request was lost for this time; losses that are closer belong to one gap."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request: its due time (seconds since the load began), its latency, and the cluster that answered.

    `answered_by` is None for a lost request; then `error` has the reason, and `refused` says whether a policy of the
    mesh refused it. `attempts` is how often the request was sent: more than 1 is a retry, None is not known. `number`
    is the word and number that it was sent with, if it was.
    """

    at_s: float
    latency_ms: float
    answered_by: str | None
    pod: str = ""
    error: str = ""
    attempts: int | None = None
    refused: bool = False
    number: str = ""


@dataclass(frozen=True, kw_only=True)
class LoadMark:
    """A change of the lab while the load ran; `at_s` is seconds since the load began.

    `intended`: the requests that are lost after it are meant to be, because somebody injected a fault.
    """

    at_s: float
    text: str
    intended: bool = False


@dataclass(frozen=True, kw_only=True)
class Slot:
    """The requests that were due from `from_s` on, for the length of one slot; `retried` as in `Phase`."""

    from_s: float
    sent: int
    answered_by: Mapping[str, int]
    lost: int
    refused: int
    retried: int | None
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Numbers between two marks.

    `rto_s`: seconds from the phase's mark to the first request after which none was lost: 0 if none was lost, None if
    the last request of the phase was lost. The phase before the first mark counts from its first lost request.
    `retried` counts the requests that were sent more than once, among those with known attempts; None if no request of
    the phase has them, so that 0 is never said of what nobody counted.
    """

    name: str
    from_s: float
    to_s: float
    sent: int
    answered_by: Mapping[str, int]
    lost: int
    retried: int | None
    rto_s: float | None
    p50_ms: float | None
    p99_ms: float | None
    refused: int = 0
    intended: bool = False

    @property
    def words(self) -> str:
        """The numbers in one line, without those that are not known."""
        by = ", ".join(f"{name} {count}" for name, count in self.answered_by.items()) or "nobody"
        rto = "did not recover" if self.rto_s is None else f"recovered in {self.rto_s:.1f} s" if self.lost else ""
        p99 = f"p50 {self.p50_ms:.0f} ms, p99 {self.p99_ms:.0f} ms" if self.p50_ms and self.p99_ms else ""
        retried = "" if self.retried is None else f"{self.retried} retried"
        parts = [f"{self.sent} sent", f"answered by {by}", f"{self.lost} lost", retried, rto, p99]
        return f"{self.name}: " + ", ".join(part for part in parts if part)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A time in which requests were lost, with answers between the losses or without.

    `from_s` is the first lost request, `to_s` the first one after which none was lost; None while that is not known.
    `recovery_s` is the time between the two. A gap is `intended` if a part of it is in a phase with an intended mark;
    `phase` is the name of that phase, else of the one in which the gap began.
    """

    from_s: float
    to_s: float | None
    recovery_s: float | None
    lost: int
    refused: int
    phase: str
    intended: bool


@dataclass
class Recovery:
    """When requests were lost, and when the losses were over; requests come in the order of their due times."""

    first_lost_s: float | None = None
    last_lost_s: float | None = None
    over_s: float | None = None
    """The first request after which none was lost."""

    def add(self, request: Request) -> None:
        """Count the next request."""
        if request.answered_by is None:
            self.first_lost_s = request.at_s if self.first_lost_s is None else self.first_lost_s
            self.last_lost_s, self.over_s = request.at_s, None
        elif self.over_s is None and self.last_lost_s is not None and request.at_s > self.last_lost_s:
            self.over_s = request.at_s

    def after(self, since_s: float) -> float | None:
        """Return the seconds from `since_s` until no request was lost: 0 if none was, None if that did not happen."""
        if self.last_lost_s is None:
            return 0.0
        return None if self.over_s is None else self.over_s - since_s


@dataclass
class PhaseCount:
    """Counts the requests of one phase, in the order of their due times.

    Args:
        mark: the mark that begins the phase; None for the phase before the first mark.
        keep: how many latencies the percentiles are of, the latest ones; None for all.
    """

    mark: LoadMark | None = None
    keep: int | None = None
    sent: int = 0
    lost: int = 0
    refused: int = 0
    retried: int | None = None
    _answered_by: Counter[str] = field(default_factory=Counter)
    _recovery: Recovery = field(default_factory=Recovery)
    _latencies: deque[float] = field(init=False)

    def __post_init__(self) -> None:
        self._latencies = deque(maxlen=self.keep)

    def add(self, request: Request) -> None:
        """Count the next request."""
        self.sent += 1
        if request.attempts is not None:
            self.retried = (self.retried or 0) + (request.attempts > 1)
        self._recovery.add(request)
        if request.answered_by is None:
            self.lost += 1
            self.refused += request.refused
        else:
            self._answered_by[request.answered_by] += 1
            self._latencies.append(request.latency_ms)

    def phase(self, to_s: float) -> Phase:
        """Return the numbers of the phase, which ends at `to_s` or has come so far."""
        from_s = self.mark.at_s if self.mark else 0.0
        since_s = from_s if self.mark or self._recovery.first_lost_s is None else self._recovery.first_lost_s
        return Phase(
            name=self.mark.text if self.mark else BEFORE,
            from_s=from_s,
            to_s=to_s,
            sent=self.sent,
            answered_by=dict(sorted(self._answered_by.items())),
            lost=self.lost,
            refused=self.refused,
            retried=self.retried,
            rto_s=self._recovery.after(since_s),
            p50_ms=percentile(self._latencies, 50),
            p99_ms=percentile(self._latencies, 99),
            intended=self.mark is not None and self.mark.intended,
        )


@dataclass
class GapCount:
    """Finds the gaps of a load; requests come in the order of their due times.

    `quiet_s` is the time without a loss after which a gap has ended.
    """

    quiet_s: float = GAP_ENDS_S
    _recovery: Recovery = field(default_factory=Recovery)
    _lost: int = 0
    _refused: int = 0
    _phase: str = BEFORE
    _intended: bool = False

    def add(self, request: Request, *, mark: LoadMark | None) -> Gap | None:
        """Count the next request, in the phase that `mark` began; return the gap that has ended with it, if one has."""
        ended = self.flush() if self._has_ended(request) else None
        if request.answered_by is None:
            if not self._lost:
                self._phase, self._intended = (mark.text if mark else BEFORE), False
            if mark is not None and mark.intended and not self._intended:
                self._phase, self._intended = mark.text, True  # the mark may come just after the first loss
            self._lost += 1
            self._refused += request.refused
        if self._lost:
            self._recovery.add(request)
        return ended

    def gap(self) -> Gap | None:
        """Return the gap that has not ended, if there is one."""
        if self._recovery.first_lost_s is None:
            return None
        return Gap(
            from_s=self._recovery.first_lost_s,
            to_s=self._recovery.over_s,
            recovery_s=self._recovery.after(self._recovery.first_lost_s),
            lost=self._lost,
            refused=self._refused,
            phase=self._phase,
            intended=self._intended,
        )

    def flush(self) -> Gap | None:
        """Return the gap that has not ended, and forget it."""
        gap = self.gap()
        self._recovery, self._lost, self._refused = Recovery(), 0, 0
        return gap

    def _has_ended(self, request: Request) -> bool:
        last_s, over_s = self._recovery.last_lost_s, self._recovery.over_s
        return last_s is not None and over_s is not None and request.at_s - last_s > self.quiet_s


def slot(from_s: float, requests: Iterable[Request]) -> Slot:
    """Return the numbers of one slot."""
    count = PhaseCount()
    for request in requests:
        count.add(request)
    whole = count.phase(from_s)
    return Slot(
        from_s=from_s,
        sent=whole.sent,
        answered_by=whole.answered_by,
        lost=whole.lost,
        refused=whole.refused,
        retried=whole.retried,
        p50_ms=whole.p50_ms,
        p99_ms=whole.p99_ms,
    )


def slots(requests: Sequence[Request], marks: Sequence[LoadMark], *, width_s: float = 1.0) -> tuple[Slot, ...]:
    """Return the slots from the start of a load to its last request or mark, also those without requests."""
    ends = [*(request.at_s for request in requests), *(mark.at_s for mark in marks)]
    rows: list[list[Request]] = [[] for _ in range(math.floor(max(ends) / width_s) + 1 if ends else 0)]
    for request in requests:
        rows[math.floor(request.at_s / width_s)].append(request)
    return tuple(slot(number * width_s, row) for number, row in enumerate(rows))


def phases(requests: Sequence[Request], marks: Sequence[LoadMark]) -> tuple[Phase, ...]:
    """Return the numbers from each mark to the next; requests before the first mark are the phase `BEFORE`."""
    end_s = max([*(request.at_s for request in requests), *(mark.at_s for mark in marks)], default=0.0) + 1e-9
    counts, ends = [PhaseCount(), *map(PhaseCount, marks)], [*(mark.at_s for mark in marks), end_s]
    for number, request in _with_phase(requests, marks):
        counts[number].add(request)
    return tuple(count.phase(to_s) for count, to_s in zip(counts, ends, strict=True))


def gaps(requests: Sequence[Request], marks: Sequence[LoadMark], *, quiet_s: float = GAP_ENDS_S) -> tuple[Gap, ...]:
    """Return the gaps of a load in the order of time; the last one may not have ended."""
    count, found = GapCount(quiet_s=quiet_s), []
    for number, request in _with_phase(requests, marks):
        found.append(count.add(request, mark=marks[number - 1] if number else None))
    return tuple(gap for gap in [*found, count.flush()] if gap is not None)


def _with_phase(requests: Sequence[Request], marks: Sequence[LoadMark]) -> Iterator[tuple[int, Request]]:
    """Yield the requests in the order of their due times, each with the number of its phase."""
    number = 0
    for request in sorted(requests, key=lambda request: request.at_s):
        while number < len(marks) and marks[number].at_s <= request.at_s:
            number += 1
        yield number, request


def recovery_s(requests: Iterable[Request], *, since_s: float) -> float | None:
    """Return the seconds from `since_s` to the first request after which none was lost.

    0 when none was lost; None when the last one was lost. Requests count by the time at which they were due.
    """
    recovery = Recovery()
    for request in sorted(requests, key=lambda request: request.at_s):
        recovery.add(request)
    return recovery.after(since_s)


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Return the nearest-rank percentile (0..100) of values in any order; None without values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]
