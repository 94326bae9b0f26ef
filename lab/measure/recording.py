"""Record a steady load: its requests, and the changes of the lab meanwhile (marks)."""

from __future__ import annotations

from dataclasses import dataclass

from lab.base.names import Json
from lab.measure import counting
from lab.measure.counting import LoadMark, Phase, Request, Slot


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
        return counting.phases(self.requests, self.marks)

    def slots(self, *, width_s: float = 1.0) -> tuple[Slot, ...]:
        """Return the slots from the start of the load to its last request or mark, also those without requests."""
        return counting.slots(self.requests, self.marks, width_s=width_s)

    @classmethod
    def of_json(cls, data: Json) -> Recording:
        """Read a recording back, as `as_json` of this version wrote it."""
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
        numbered = ["number"] if any(r.number for r in self.requests) else []
        return {
            "name": self.name,
            "rate_per_s": self.rate_per_s,
            "columns": ["at_s", "latency_ms", "answered_by", "pod", "error", "attempts", *numbered],
            "requests": [
                [round(r.at_s, 3), round(r.latency_ms, 2), r.answered_by, r.pod, r.error, r.attempts]
                + [r.number for _ in numbered]
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
