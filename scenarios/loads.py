"""Steady loads while something breaks, and looks at what they saw: what was lost, how long it took, who answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from lab.base.names import Cluster
from lab.measure.load import Load, Running, steady, through_frontend
from lab.measure.recording import Recording
from lab.measure.stream_load import steady_inside
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.model import Look, Observation

from .seeing import base_url

SERVICE = "podinfo"
RTO_S = 10.0
QUIET_S = 3.0
"""Before something is broken, and after."""


@dataclass(frozen=True)
class Loads:
    """The two loads of this scenario, marked and stopped together."""

    parts: tuple[Running, ...]

    def mark(self, text: str) -> None:
        """Note that something is done now, in both."""
        for part in self.parts:
            part.mark(text)

    def run(self, seconds: float) -> None:
        """Let them continue for this time."""
        self.parts[0].run(seconds)

    def stop(self) -> list[Recording]:
        """End them and return what they saw."""
        return [part.stop() for part in self.parts]


@contextmanager
def both_loads(context: Context) -> Iterator[Loads]:
    """Run a load through West's ingress, and one inside West."""
    west = base_url(context, context.west)
    with (
        ingress_load(context, context.west) as outer,
        steady_inside("from inside West", west, SERVICE, rate_per_s=context.rate_per_s) as inner,
    ):
        yield Loads((outer, inner))


def ingress_load(context: Context, *clusters: Cluster) -> AbstractContextManager[Load]:
    """Run a load through the ingresses of these clusters, the first one preferred."""
    urls = [base_url(context, cluster) for cluster in clusters]
    whose = " or ".join(f"{cluster.name.title()}'s" for cluster in clusters)
    return steady(f"through {whose} ingress", through_frontend(urls, SERVICE), rate_per_s=context.rate_per_s)


def keep(context: Context, name: str, found: list[Recording]) -> None:
    """Keep what loads saw under a name, for the checks, and say it."""
    context.memo[f"load/{name}"] = [recording.as_json() for recording in found]
    for recording in found:
        context.say(f"{recording.name}, {recording.rate_per_s:g} requests/s")
        context.say("\n".join(f"  {phase.words}" for phase in recording.phases()))


def _recordings(context: Context, name: str) -> list[tuple[Recording, Evidence]]:
    found = []
    for data in context.recall(f"load/{name}"):
        recording = Recording.of_json(data)
        words = "\n".join(phase.words for phase in recording.phases())
        title = f"every request of a load of {recording.rate_per_s:g}/s {recording.name}"
        found.append((recording, Evidence(kind=EvidenceKind.LOAD, title=title, text=words, data=data)))
    return found


def loses_nothing(name: str) -> Look:
    """Return a look whether every request of the kept loads was answered."""

    def look(context: Context) -> Observation:
        found = _recordings(context, name)
        lost = [request for recording, _ in found for request in recording.lost]
        seen = "; ".join(f"{r.name}: {len(r.requests)} sent, {len(r.lost)} lost" for r, _ in found)
        first = f"; the first: {lost[0].error}" if lost else ""
        sent = all(recording.requests for recording, _ in found)
        return Observation(holds=sent and not lost, seen=seen + first, evidence=tuple(e for _, e in found))

    return look


def recovers(name: str, *, during: str) -> Look:
    """Return a look at the seconds from a mark until requests were answered again for good."""

    def look(context: Context) -> Observation:
        found = _recordings(context, name)
        phases = [next(p for p in recording.phases() if p.name == during) for recording, _ in found]
        times = [phase.rto_s for phase in phases]
        words = [
            f"{r.name}: {p.lost} of {p.sent} lost, "
            + ("did not recover" if p.rto_s is None else f"recovered in {p.rto_s:.1f} s" if p.lost else "no gap")
            for (r, _), p in zip(found, phases, strict=True)
        ]
        holds = all(time is not None and time <= RTO_S for time in times)
        return Observation(holds=holds, seen="; ".join(words), evidence=tuple(e for _, e in found))

    return look


def takes_over(name: str, *, during: str, by: str, within_s: float) -> Look:
    """Return a look at what a failover costs: the seconds until a cluster's first answer, and the slowest request."""

    def look(context: Context) -> Observation:
        words, times = [], []
        found = _recordings(context, name)
        for recording, _ in found:
            phase = next(p for p in recording.phases() if p.name == during)
            times.append(recording.takeover_s(phase, by))
            slowest = recording.slowest_ms(phase)
            first = "no answer" if times[-1] is None else f"first answer after {times[-1]:.1f} s"
            slow = f", slowest request {slowest / 1000:.1f} s" if slowest is not None else ""
            words.append(f"{recording.name}: {first} by {by.title()}{slow}")
        holds = all(time is not None and time <= within_s for time in times)
        return Observation(holds=holds, seen="; ".join(words), evidence=tuple(e for _, e in found))

    return look


def answered(name: str, *, during: str, by: str, mostly: float = 0.5) -> Look:
    """Return a look whether a cluster answered at least this part of a phase's requests."""

    def look(context: Context) -> Observation:
        found = _recordings(context, name)
        phases = [next(p for p in recording.phases() if p.name == during) for recording, _ in found]
        shares = [phase.answered_by.get(by, 0) / phase.sent if phase.sent else 0.0 for phase in phases]
        seen = "; ".join(f"{r.name}: {p.words}" for (r, _), p in zip(found, phases, strict=True))
        metric = Evidence(kind=EvidenceKind.METRIC, title=f"who answered: {during}", text=seen)
        return Observation(holds=all(share >= mostly for share in shares), seen=seen, evidence=(metric,))

    return look
