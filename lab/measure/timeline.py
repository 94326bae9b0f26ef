"""Divide a recording into slots of equal length: who answered, how many requests were lost, and how fast."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lab.measure.recording import Recording, Request
from lab.measure.stats import percentile


@dataclass(frozen=True, kw_only=True)
class Slot:
    """The requests that were due from `from_s` on, for the length of one slot."""

    from_s: float
    sent: int
    answered_by: Mapping[str, int]
    lost: int
    p50_ms: float | None
    p99_ms: float | None


def slots(recording: Recording, *, width_s: float = 1.0) -> tuple[Slot, ...]:
    """Return the slots from the start of the load to its last request or mark, also those without requests."""
    ends = [*(request.at_s for request in recording.requests), *(mark.at_s for mark in recording.marks)]
    rows: list[list[Request]] = [[] for _ in range(math.floor(max(ends) / width_s) + 1 if ends else 0)]
    for request in recording.requests:
        rows[math.floor(request.at_s / width_s)].append(request)
    return tuple(_slot(number * width_s, requests) for number, requests in enumerate(rows))


def _slot(from_s: float, requests: list[Request]) -> Slot:
    latencies = [request.latency_ms for request in requests if request.answered_by is not None]
    return Slot(
        from_s=from_s,
        sent=len(requests),
        answered_by=dict(sorted(Counter(r.answered_by for r in requests if r.answered_by is not None).items())),
        lost=len(requests) - len(latencies),
        p50_ms=percentile(latencies, 50),
        p99_ms=percentile(latencies, 99),
    )
