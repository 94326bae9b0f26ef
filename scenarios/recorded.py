"""Checks of recorded loads: lost requests, recovery time, answering cluster."""

from __future__ import annotations

from lab.measure import counting
from lab.measure.recording import Recording
from lab.scenario.context import Context, Role
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.loads import StepLoad
from lab.scenario.model import Check
from lab.scenario.observation import Look, Observation

RTO_S = 10.0
"""Longest accepted time until requests are answered again."""


MOST_LOST, GAP_S = 0.01, 1.0
"""Largest accepted part of lost requests, and longest accepted gap, where two pods do the work of one."""


def recordings(context: Context, load: StepLoad) -> list[tuple[Recording, Evidence]]:
    """Return the recordings of a step's load, each as evidence."""
    recorded = []
    for data in context.recall(load.key):
        recording = Recording.of_json(data)
        words = "\n".join(phase.words for phase in recording.phases())
        title = f"every request of a load of {recording.rate_per_s:g}/s {recording.name}"
        recorded.append((recording, Evidence(kind=EvidenceKind.LOAD, title=title, text=words, data=data)))
    return recorded


def loses_nothing(load: StepLoad) -> Look:
    """Return a look that holds if every request of the stored loads was answered."""

    def look(context: Context) -> Observation:
        recorded = recordings(context, load)
        lost = [request for recording, _ in recorded for request in recording.lost]
        seen = "; ".join(f"{r.name}: {len(r.requests)} sent, {len(r.lost)} lost" for r, _ in recorded)
        first = f"; the first: {lost[0].error}" if lost else ""
        sent = all(recording.requests for recording, _ in recorded)
        return Observation(holds=sent and not lost, seen=seen + first, evidence=tuple(e for _, e in recorded))

    return look


def nothing_lost(load: StepLoad, *, name: str, claim: str) -> Check:
    """Return the check that every request of a step's loads was answered."""
    expected = "0 lost, from inside West and through its ingress"
    return Check(name=name, claim=claim, expected=expected, look=loses_nothing(load))


def loses_little(load: StepLoad) -> Look:
    """Return a look that compares the part of lost requests with MOST_LOST, and each gap with GAP_S."""

    def look(context: Context) -> Observation:
        recorded, words, holds = recordings(context, load), [], []
        for recording, _ in recorded:
            sent, lost = len(recording.requests), len(recording.lost)
            gaps = [gap.recovery_s for gap in counting.gaps(recording.requests, recording.marks)]
            longest = None if None in gaps else max((gap or 0.0 for gap in gaps), default=0.0)
            gap = "did not recover" if longest is None else f"longest gap {longest:.1f} s"
            words.append(f"{recording.name}: {lost} of {sent} lost" + (f", {gap}" if lost else ""))
            holds.append(sent > 0 and lost <= MOST_LOST * sent and longest is not None and longest <= GAP_S)
        return Observation(holds=all(holds), seen="; ".join(words), evidence=tuple(e for _, e in recorded))

    return look


def recovers(load: StepLoad, *, during: str) -> Look:
    """Return a look that compares the recovery time after a mark, without a later loss, with RTO_S."""

    def look(context: Context) -> Observation:
        recorded = recordings(context, load)
        phases = [next(p for p in recording.phases() if p.name == during) for recording, _ in recorded]
        times = [phase.rto_s for phase in phases]
        words = [
            f"{r.name}: {p.lost} of {p.sent} lost, "
            + ("did not recover" if p.rto_s is None else f"recovered in {p.rto_s:.1f} s" if p.lost else "no gap")
            for (r, _), p in zip(recorded, phases, strict=True)
        ]
        holds = all(time is not None and time <= RTO_S for time in times)
        return Observation(holds=holds, seen="; ".join(words), evidence=tuple(e for _, e in recorded))

    return look


def takes_over(load: StepLoad, *, during: str, by: Role, within_s: float) -> Look:
    """Return a look at the cost of a failover: seconds until a cluster's first answer, and the slowest request."""

    def look(context: Context) -> Observation:
        words, times = [], []
        recorded = recordings(context, load)
        for recording, _ in recorded:
            phase = next(p for p in recording.phases() if p.name == during)
            times.append(recording.takeover_s(phase, context.cluster(by).name))
            slowest = recording.slowest_ms(phase)
            first = "no answer" if times[-1] is None else f"first answer after {times[-1]:.1f} s"
            slow = f", slowest request {slowest / 1000:.1f} s" if slowest is not None else ""
            words.append(f"{recording.name}: {first} by {by.title()}{slow}")
        holds = all(time is not None and time <= within_s for time in times)
        return Observation(holds=holds, seen="; ".join(words), evidence=tuple(e for _, e in recorded))

    return look


def answered(load: StepLoad, *, during: str, by: Role, mostly: float = 0.5) -> Look:
    """Return a look that holds if a cluster answered at least this part of a phase's requests."""

    def look(context: Context) -> Observation:
        recorded = recordings(context, load)
        phases = [next(p for p in recording.phases() if p.name == during) for recording, _ in recorded]
        shares = [
            phase.answered_by.get(context.cluster(by).name, 0) / phase.sent if phase.sent else 0.0 for phase in phases
        ]
        seen = "; ".join(f"{r.name}: {p.words}" for (r, _), p in zip(recorded, phases, strict=True))
        metric = Evidence(kind=EvidenceKind.METRIC, title=f"answering clusters: {during}", text=seen)
        return Observation(holds=all(share >= mostly for share in shares), seen=seen, evidence=(metric,))

    return look
