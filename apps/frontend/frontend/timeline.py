"""The timeline of one stream: closed slots, phases and gaps, counted request by request in bounded memory.

The numbers are those of `lab load`: `frontend.counting` is the same file.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from frontend.answers import UNKNOWN, Answer
from frontend.counting import Gap, GapCount, LoadMark, Phase, PhaseCount, Request, Slot, slot

SLOT_S = 1.0
KEPT_LATENCIES = 6000
"""The percentiles of a phase are of so many answers, the latest ones: two minutes at 50 requests/s."""
MAX_SLOTS = 120
"""Slots in one report: a stream that stood still for longer leaves out the older ones, which have no requests."""


@dataclass(kw_only=True)
class Report:
    """What has changed since the last report. `number` counts phases and gaps from 0."""

    now_s: float
    slots: list[Slot]
    phases: list[tuple[int, Phase]]
    gaps: list[tuple[int, Gap]]
    under_way: int

    def as_json(self) -> dict[str, object]:
        """The data of a `timeline` event."""
        return {
            "now_s": round(self.now_s, 3),
            "slots": [_rounded(asdict(one)) for one in self.slots],
            "phases": [{"number": number, **_rounded(asdict(one))} for number, one in self.phases],
            "gaps": [{"number": number, **_rounded(asdict(one))} for number, one in self.gaps],
            "under_way": self.under_way,
        }


@dataclass
class _OpenSlot:
    requests: list[Request] = field(default_factory=list)
    under_way: int = 0


class Timeline:
    """Counts one stream. All times are seconds since the stream began.

    A slot closes when its time has passed and each of its requests has a result; then it never changes. So no number
    is provisional, and a dead upstream delays the slots by the time limit of a request.
    """

    def __init__(self) -> None:
        self._open: dict[int, _OpenSlot] = {}
        self._sent_at: dict[int, float] = {}
        self._next_slot = 0
        self._marks: list[LoadMark] = []
        self._phase, self._phase_number = PhaseCount(keep=KEPT_LATENCIES), 0
        self._gaps, self._gap_number = GapCount(), 0
        self._last_gap: Gap | None = None
        self._ended: list[tuple[int, Phase]] = []
        self._ended_gaps: list[tuple[int, Gap]] = []

    def sent(self, n: int, at_s: float) -> None:
        """Count request `n` as under way."""
        self._sent_at[n] = at_s
        self._open.setdefault(math.floor(at_s / SLOT_S), _OpenSlot()).under_way += 1

    def answered(self, answer: Answer) -> None:
        """Count the result of a request that was `sent`."""
        at_s = self._sent_at.pop(answer.n)
        open_slot = self._open[math.floor(at_s / SLOT_S)]
        open_slot.under_way -= 1
        error = answer.error
        open_slot.requests.append(
            Request(
                at_s=at_s,
                latency_ms=answer.latency_ms,
                answered_by=(answer.info.cluster or UNKNOWN) if error is None else None,
                error="" if error is None else error.kind,
                refused=error is not None and error.refused,
                attempts=answer.attempts,
            )
        )

    def mark(self, mark: LoadMark) -> None:
        """Begin a new phase at the time of the mark, which is not before that of an earlier one."""
        self._marks.append(mark)

    def report(self, now_s: float, *, final: bool = False) -> Report:
        """Close what is over, and return what has changed since the last report; a `final` one closes all slots."""
        slots: list[Slot] = []
        until_s = now_s + SLOT_S if final else now_s
        while (self._next_slot + 1) * SLOT_S <= until_s:
            open_slot = self._open.get(self._next_slot)
            if open_slot is not None and open_slot.under_way:
                break
            requests = sorted(open_slot.requests, key=lambda one: one.at_s) if open_slot else []
            self._count(requests)
            slots.append(slot(self._next_slot * SLOT_S, requests))
            self._open.pop(self._next_slot, None)
            self._next_slot += 1
        closed_s = self._next_slot * SLOT_S
        self._begin_phases(until_s=closed_s)
        phases, gaps = self._changed(closed_s)
        return Report(now_s=now_s, slots=slots[-MAX_SLOTS:], phases=phases, gaps=gaps, under_way=len(self._sent_at))

    def _count(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self._begin_phases(until_s=request.at_s)
            self._phase.add(request)
            ended = self._gaps.add(request, mark=self._phase.mark)
            if ended is not None:
                self._ended_gaps.append((self._gap_number, ended))
                self._gap_number += 1

    def _begin_phases(self, *, until_s: float) -> None:
        while self._marks and self._marks[0].at_s <= until_s:
            mark = self._marks.pop(0)
            self._ended.append((self._phase_number, self._phase.phase(mark.at_s)))
            self._phase, self._phase_number = PhaseCount(mark, keep=KEPT_LATENCIES), self._phase_number + 1

    def _changed(self, closed_s: float) -> tuple[list[tuple[int, Phase]], list[tuple[int, Gap]]]:
        phases, self._ended = [*self._ended, (self._phase_number, self._phase.phase(closed_s))], []
        gaps, self._ended_gaps = self._ended_gaps, []
        current = self._gaps.gap()
        if current is not None and current != self._last_gap:
            gaps.append((self._gap_number, current))
        self._last_gap = current
        return phases, gaps


def _rounded(numbers: dict[str, object]) -> dict[str, object]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in numbers.items()}
