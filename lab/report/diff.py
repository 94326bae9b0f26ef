"""Two runs side by side: which checks changed their outcome, and which numbers of the loads moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.scenario.evidence import EvidenceKind
from lab.scenario.observation import Outcome
from lab.scenario.results import CheckResult, Report

ABSENT = "not there"
SLOWER_RATIO = 1.5
"""A duration is named when it moved by this factor and by a second or more; less is noise on a shared machine."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that differs. `worse` is None where neither is better."""

    where: str
    what: str
    before: str
    after: str
    worse: bool | None = None


def compare(before: Report, after: Report) -> tuple[Difference, ...]:
    """Return what differs: versions, outcomes, durations, and the loads' numbers."""
    return (*_versions(before, after), *_checks(before, after), *_loads(before, after))


def _versions(before: Report, after: Report) -> Iterator[Difference]:
    facts = [{"stack": r.lab.stack, **r.lab.versions} for r in (before, after)]
    for name in sorted({*facts[0], *facts[1]}):
        old, new = (fact.get(name, ABSENT) for fact in facts)
        if old != new:
            yield Difference(where="lab", what=name, before=old, after=new)


def _by_name(report: Report) -> dict[str, CheckResult]:
    return {f"{run.name}/{check.name}": check for run in report.scenarios for check in run.checks}


def _checks(before: Report, after: Report) -> Iterator[Difference]:
    old, new = _by_name(before), _by_name(after)
    for name in dict.fromkeys([*old, *new]):
        a, b = old.get(name), new.get(name)
        was, now = (c.outcome.value if c else ABSENT for c in (a, b))
        if was != now:
            worse = True if now in {"failed", "errored"} else False if now == "passed" else None
            yield Difference(where=name, what="outcome", before=was, after=now, worse=worse)
        if a and b and a.outcome is b.outcome is Outcome.PASSED:
            low, high = sorted((a.duration_s, b.duration_s))
            if high - low >= 1.0 and high >= SLOWER_RATIO * low:
                yield Difference(
                    where=name,
                    what="time until it held",
                    before=f"{a.duration_s:.1f} s",
                    after=f"{b.duration_s:.1f} s",
                    worse=b.duration_s > a.duration_s,
                )


def _phases(report: Report) -> dict[str, Mapping[str, Any]]:
    phases: dict[str, Mapping[str, Any]] = {}
    for run in report.scenarios:
        for check in run.checks:
            for piece in check.evidence:
                if piece.kind is EvidenceKind.LOAD and isinstance(piece.data, Mapping):
                    data: Any = piece.data
                    for phase in data["phases"]:
                        phases[f"{run.name}/{data['name']}/{phase['name']}"] = phase
    return phases


def _loads(before: Report, after: Report) -> Iterator[Difference]:
    old, new = _phases(before), _phases(after)
    for name in (name for name in old if name in new):
        for key, unit in (("lost", ""), ("retried", ""), ("rto_s", " s"), ("p99_ms", " ms")):
            a, b = old[name][key], new[name][key]
            if key == "retried" and None in {a, b}:  # not known in one of the runs, so nothing to compare
                continue
            if a != b:
                worse = None if a is None or b is None else b > a
                yield Difference(where=name, what=key, before=_number(a, unit), after=_number(b, unit), worse=worse)


def _number(value: float | None, unit: str) -> str:
    return "never" if value is None else f"{value:g}{unit}"
