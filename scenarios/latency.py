"""Checks of a load's latencies: what one phase costs more than another one, of the same run."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from lab.measure.counting import Phase, Request, percentile
from lab.measure.recording import Recording
from lab.scenario.context import Context, Role
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.loads import StepLoad
from lab.scenario.observation import Look, Observation

from .recorded import recordings

_MOMENT_S = 0.25
"""Slow requests that are closer belong to one moment: TCP delivers what follows a lost packet after that packet."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A phase of a load, or the answers of the cluster in a role in it."""

    load: StepLoad
    phase: str
    by: Role | None = None

    def ms(self, context: Context, recording: Recording, percent: float) -> float | None:
        """Return a percentile of the latencies; None if no request was answered."""
        return percentile([request.latency_ms for request in self._answers(context, recording)], percent)

    def slow_moments(self, context: Context, recording: Recording, above_ms: float) -> float:
        """Return how often a request took longer, in moments per second; close ones count as one moment."""
        slow = [request.at_s for request in self._answers(context, recording) if request.latency_ms > above_ms]
        begin = [at_s for before_s, at_s in pairwise([float("-inf"), *slow]) if at_s - before_s > _MOMENT_S]
        phase = self._phase(recording)
        return len(begin) / (phase.to_s - phase.from_s)

    @property
    def words(self) -> str:
        """The part as text."""
        return self.phase if self.by is None else f"{self.phase}, answers of {self.by.title()}"

    def _answers(self, context: Context, recording: Recording) -> list[Request]:
        cluster = None if self.by is None else context.cluster(self.by).name
        phase = self._phase(recording)
        return [
            request
            for request in recording.requests
            if phase.from_s <= request.at_s < phase.to_s
            and request.answered_by is not None
            and cluster in {None, request.answered_by}
        ]

    def _phase(self, recording: Recording) -> Phase:
        return next(p for p in recording.phases() if p.name == self.phase)


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


def slow_more_often(part: Part, compared: Part, *, slow_ms: float, fast: float, least_per_s: float) -> Look:
    """Return a look that compares how often requests are slow in two parts, in all their loads together.

    A lost packet delays few requests, at a moment of its own. Other work on the machine delays many at one moment, and
    does so in both parts.

    Args:
        part: the part with more slow moments.
        compared: the part that it is compared with.
        slow_ms: a request is slow if it takes this much longer than the fast ones of `compared`.
        fast: percentile of the fast ones.
        least_per_s: the smallest accepted difference, in moments per second.
    """

    def look(context: Context) -> Observation:
        pairs = list(zip(recordings(context, part.load), recordings(context, compared.load), strict=True))
        limits = [compared.ms(context, second, fast) for _, (second, _) in pairs]
        if not limits or None in limits:
            return Observation(holds=False, seen=f"no answers ({compared.words})", evidence=())
        many, few = (
            sum(
                one.slow_moments(context, pair[side][0], (limit or 0.0) + slow_ms)
                for pair, limit in zip(pairs, limits, strict=True)
            )
            for side, one in enumerate((part, compared))
        )
        seen = f"{many:.1f} slow moments per second ({part.words}), {few:.1f} ({compared.words})"
        evidence = tuple(each for (_, each), _ in pairs)
        return Observation(
            holds=many - few >= least_per_s, seen=seen, evidence=(*evidence, _table(context, part, compared))
        )

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
