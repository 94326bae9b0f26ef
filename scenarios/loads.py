"""Steady loads during an outage, and checks of their recordings: lost requests, recovery time, answering cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from lab.base.names import Cluster
from lab.measure.load import Load, Running, steady, through_frontend
from lab.measure.recording import Recording
from lab.measure.stream_load import steady_inside
from lab.scenario.context import Context, Role
from lab.scenario.evidence import Evidence, EvidenceKind
from lab.scenario.model import Look, Observation

from .seeing import base_url

SERVICE = "podinfo"
RTO_S = 10.0
QUIET_S = 3.0
"""Seconds of load before an outage, and after it."""


@dataclass(frozen=True)
class Loads:
    """The two loads of this scenario, marked and stopped together."""

    parts: tuple[Running, ...]

    def mark(self, text: str) -> None:
        """Record a mark in both, such as the start of an outage."""
        for part in self.parts:
            part.mark(text)

    def run(self, seconds: float) -> None:
        """Let them continue for this time."""
        self.parts[0].run(seconds)

    def stop(self) -> list[Recording]:
        """Stop both and return their recordings."""
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
    """Run a load through the ingress of the first cluster that answers."""
    urls = [base_url(context, cluster) for cluster in clusters]
    owners = " or ".join(f"{cluster.name.title()}'s" for cluster in clusters)
    return steady(f"through {owners} ingress", through_frontend(urls, SERVICE), rate_per_s=context.rate_per_s)


def keep(context: Context, name: str, recordings: list[Recording]) -> None:
    """Store recordings under a name for the checks, and print their summary."""
    context.memo[f"load/{name}"] = [recording.as_json() for recording in recordings]
    for recording in recordings:
        context.say(f"{recording.name}, {recording.rate_per_s:g} requests/s")
        context.say("\n".join(f"  {phase.words}" for phase in recording.phases()))


def _recordings(context: Context, name: str) -> list[tuple[Recording, Evidence]]:
    recordings = []
    for data in context.recall(f"load/{name}"):
        recording = Recording.of_json(data)
        words = "\n".join(phase.words for phase in recording.phases())
        title = f"every request of a load of {recording.rate_per_s:g}/s {recording.name}"
        recordings.append((recording, Evidence(kind=EvidenceKind.LOAD, title=title, text=words, data=data)))
    return recordings


def loses_nothing(name: str) -> Look:
    """Return a look that holds if every request of the stored loads was answered."""

    def look(context: Context) -> Observation:
        recordings = _recordings(context, name)
        lost = [request for recording, _ in recordings for request in recording.lost]
        seen = "; ".join(f"{r.name}: {len(r.requests)} sent, {len(r.lost)} lost" for r, _ in recordings)
        first = f"; the first: {lost[0].error}" if lost else ""
        sent = all(recording.requests for recording, _ in recordings)
        return Observation(holds=sent and not lost, seen=seen + first, evidence=tuple(e for _, e in recordings))

    return look


def recovers(name: str, *, during: str) -> Look:
    """Return a look that compares the recovery time after a mark, without a later loss, with RTO_S."""

    def look(context: Context) -> Observation:
        recordings = _recordings(context, name)
        phases = [next(p for p in recording.phases() if p.name == during) for recording, _ in recordings]
        times = [phase.rto_s for phase in phases]
        words = [
            f"{r.name}: {p.lost} of {p.sent} lost, "
            + ("did not recover" if p.rto_s is None else f"recovered in {p.rto_s:.1f} s" if p.lost else "no gap")
            for (r, _), p in zip(recordings, phases, strict=True)
        ]
        holds = all(time is not None and time <= RTO_S for time in times)
        return Observation(holds=holds, seen="; ".join(words), evidence=tuple(e for _, e in recordings))

    return look


def takes_over(name: str, *, during: str, by: Role, within_s: float) -> Look:
    """Return a look at the cost of a failover: seconds until a cluster's first answer, and the slowest request."""

    def look(context: Context) -> Observation:
        words, times = [], []
        recordings = _recordings(context, name)
        for recording, _ in recordings:
            phase = next(p for p in recording.phases() if p.name == during)
            times.append(recording.takeover_s(phase, context.cluster(by).name))
            slowest = recording.slowest_ms(phase)
            first = "no answer" if times[-1] is None else f"first answer after {times[-1]:.1f} s"
            slow = f", slowest request {slowest / 1000:.1f} s" if slowest is not None else ""
            words.append(f"{recording.name}: {first} by {by.title()}{slow}")
        holds = all(time is not None and time <= within_s for time in times)
        return Observation(holds=holds, seen="; ".join(words), evidence=tuple(e for _, e in recordings))

    return look


def answered(name: str, *, during: str, by: Role, mostly: float = 0.5) -> Look:
    """Return a look that holds if a cluster answered at least this part of a phase's requests."""

    def look(context: Context) -> Observation:
        recordings = _recordings(context, name)
        phases = [next(p for p in recording.phases() if p.name == during) for recording, _ in recordings]
        shares = [
            phase.answered_by.get(context.cluster(by).name, 0) / phase.sent if phase.sent else 0.0 for phase in phases
        ]
        seen = "; ".join(f"{r.name}: {p.words}" for (r, _), p in zip(recordings, phases, strict=True))
        metric = Evidence(kind=EvidenceKind.METRIC, title=f"answering clusters: {during}", text=seen)
        return Observation(holds=all(share >= mostly for share in shares), seen=seen, evidence=(metric,))

    return look
