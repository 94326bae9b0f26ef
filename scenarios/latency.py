"""Checks of a load's latencies: what one phase costs more than another one, of the same run."""

from __future__ import annotations

from dataclasses import dataclass

from lab.measure.counting import percentile
from lab.measure.recording import Recording
from lab.scenario.context import Context, Role
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.loads import StepLoad
from lab.scenario.observation import Look, Observation

from .recorded import recordings


@dataclass(frozen=True, kw_only=True)
class Part:
    """A phase of a load, or the answers of the cluster in a role in it."""

    load: StepLoad
    phase: str
    by: Role | None = None

    def ms(self, context: Context, recording: Recording, percent: float) -> float | None:
        """Return a percentile of the latencies; None if no request was answered."""
        cluster = None if self.by is None else context.cluster(self.by).name
        phase = next(p for p in recording.phases() if p.name == self.phase)
        latencies = [
            request.latency_ms
            for request in recording.requests
            if phase.from_s <= request.at_s < phase.to_s
            and request.answered_by is not None
            and cluster in {None, request.answered_by}
        ]
        return percentile(latencies, percent)

    @property
    def words(self) -> str:
        """The part as text."""
        return self.phase if self.by is None else f"{self.phase}, answers of {self.by.title()}"


def costs(
    dear: Part,
    cheap: Part,
    *,
    least_ms: float,
    most_ms: float = float("inf"),
    percent: float = 50,
    of: float = 50,
) -> Look:
    """Return a look that compares a percentile of a part with one of another part, for each of the loads.

    Other work on the machine makes some requests slower and none faster: a low percentile shows the network's part.

    Args:
        dear: the part whose requests take longer.
        cheap: the part that it is compared with.
        least_ms: the smallest accepted difference.
        most_ms: the largest accepted difference.
        percent: the percentile of the first part.
        of: the percentile of the second part.
    """

    def look(context: Context) -> Observation:
        pairs = list(zip(recordings(context, dear.load), recordings(context, cheap.load), strict=True))
        words, holds = [], bool(pairs)
        for (first, _), (second, _) in pairs:
            high, low = dear.ms(context, first, percent), cheap.ms(context, second, of)
            if high is None or low is None:
                words.append(f"{first.name}: no answers")
                holds = False
                continue
            holds &= least_ms <= high - low <= most_ms
            words.append(
                f"{first.name}: p{percent:g} {high:.0f} ms ({dear.words}), p{of:g} {low:.0f} ms ({cheap.words})"
            )
        loads = dict.fromkeys((dear.load, cheap.load))
        evidence = [each for load in loads for _, each in recordings(context, load)]
        return Observation(holds=holds, seen="; ".join(words), evidence=(*evidence, _table(context, dear, cheap)))

    return look


def _table(context: Context, *parts: Part) -> Evidence:
    """Return p50 and p99 of all phases of the parts' loads."""
    loads = {part.load.key: part.load for part in parts}
    lines = [
        f"{recording.name}, {phase.name}: p50 {phase.p50_ms or 0:.0f} ms, p99 {phase.p99_ms or 0:.0f} ms"
        for load in loads.values()
        for recording, _ in recordings(context, load)
        for phase in recording.phases()
    ]
    return Evidence(kind=EvidenceKind.METRIC, title="p50 and p99 by phase", text="\n".join(lines))
