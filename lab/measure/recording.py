"""Record a steady load: its requests, the changes of the lab meanwhile (marks), and the numbers of each phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.base.names import Json
from lab.measure.stats import percentile


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request: its due time (seconds since the load began), its latency, and the cluster that answered.

    `answered_by` is None for a lost request; then `error` has the reason. `attempts` counts the client's attempts: more
    than 1 is a retry.
    """

    at_s: float
    latency_ms: float
    answered_by: str | None
    pod: str = ""
    error: str = ""
    attempts: int = 1


@dataclass(frozen=True, kw_only=True)
class LoadMark:
    """A change of the lab while the load ran; `at_s` is seconds since the load began."""

    at_s: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Numbers between two marks.

    `rto_s`: seconds from the phase's mark to the first request after which none was lost: 0 if none was lost, None if
    the last request of the phase was lost. The phase before the first mark counts from its first lost request.
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
    """An ended load: every request, and the marks."""

    name: str
    rate_per_s: float
    requests: tuple[Request, ...]
    marks: tuple[LoadMark, ...]

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
            _phase(name, start, end, [r for r in self.requests if start <= r.at_s < end], marked=number > 0)
            for number, ((start, name), end) in enumerate(zip(starts, ends, strict=True))
        )

    @classmethod
    def of_json(cls, data: Json) -> Recording:
        """Read a recording back, as `as_json` wrote it."""
        rows = (dict(zip(data["columns"], row, strict=True)) for row in data["requests"])
        return cls(
            name=data["name"],
            rate_per_s=data["rate_per_s"],
            requests=tuple(Request(**row) for row in rows),
            marks=tuple(LoadMark(**mark) for mark in data["marks"]),
        )

    def last_answer_s(self, cluster: str, *, since: LoadMark) -> float:
        """Return the seconds from a mark to this cluster's last answer; 0 if it gave none after the mark."""
        late = [r.at_s for r in self.requests if r.answered_by == cluster and r.at_s >= since.at_s]
        return max(late) - since.at_s if late else 0.0

    def takeover_s(self, phase: Phase, cluster: str) -> float | None:
        """Return the seconds from the start of a phase to this cluster's first answer; None if it gave none."""
        ends = [
            request.at_s + request.latency_ms / 1000
            for request in self.requests
            if request.answered_by == cluster and phase.from_s <= request.at_s < phase.to_s
        ]
        return min(ends) - phase.from_s if ends else None

    def slowest_ms(self, phase: Phase) -> float | None:
        """Return the latency of the slowest answered request of a phase; None if none was answered."""
        return max(
            (
                request.latency_ms
                for request in self.requests
                if request.answered_by is not None and phase.from_s <= request.at_s < phase.to_s
            ),
            default=None,
        )

    def as_json(self) -> Json:
        """The recording as JSON for the report, with requests as rows to keep it small."""
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


def _phase(name: str, from_s: float, to_s: float, requests: Sequence[Request], *, marked: bool) -> Phase:
    answered_by: dict[str, int] = {}
    for request in requests:
        if request.answered_by is not None:
            answered_by[request.answered_by] = answered_by.get(request.answered_by, 0) + 1
    latencies = [request.latency_ms for request in requests if request.answered_by is not None]
    since_s = from_s if marked else min((r.at_s for r in requests if r.answered_by is None), default=from_s)
    return Phase(
        name=name,
        from_s=from_s,
        to_s=to_s,
        sent=len(requests),
        answered_by=dict(sorted(answered_by.items())),
        lost=len(requests) - len(latencies),
        retried=sum(request.attempts > 1 for request in requests),
        rto_s=recovery_s(requests, since_s=since_s),
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
