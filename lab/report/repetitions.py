"""Statistics of a set of scenarios that ran several times: pass rates, durations and lost requests of every check."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.measure.stats import Interval, median_interval, wilson
from lab.scenario.evidence import EvidenceKind
from lab.scenario.observation import Outcome
from lab.scenario.results import CheckResult, LabFacts, Report, count

SCHEMA = "eastwest.lab/repeat/v1"
"""Its version is increased with every change that a reader of repeat.json would notice."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Median and range of a number over the runs.

    `median_interval` is the 95 % interval of the median (`lab.measure.stats.median_interval`); None below six runs.
    """

    median: float
    low: float
    high: float
    median_interval: Interval | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """Return the spread of values; None without values."""
        if not values:
            return None
        return cls(
            median=statistics.median(values),
            low=min(values),
            high=max(values),
            median_interval=median_interval(values),
        )


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Lost requests of a check's load: by run, and the sums over all runs."""

    by_run: Spread
    lost: int
    sent: int


@dataclass(frozen=True, kw_only=True)
class CheckStatistics:
    """One check over all runs.

    `rate` is the share of runs that passed among those that are not skipped, `rate_interval` its Wilson interval
    (95 %); both are None if all are skipped. `duration_s` covers the runs that are not skipped. `loss` is None for a
    check without a load.
    """

    scenario: str
    check: str
    claim: str
    outcomes: Mapping[Outcome, int]
    rate: float | None
    rate_interval: Interval | None
    duration_s: Spread | None
    loss: Loss | None

    @property
    def passed(self) -> int:
        """Number of runs in which it passed."""
        return self.outcomes[Outcome.PASSED]

    @property
    def tried(self) -> int:
        """Number of runs in which it is not skipped."""
        return sum(self.outcomes.values()) - self.outcomes[Outcome.SKIPPED]


@dataclass(frozen=True, kw_only=True)
class RepeatedRun:
    """One run of the set: its report's id, its exit code (0: everything passed), and the reasons if it did not pass."""

    id: str
    exit_code: int
    duration_s: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RepeatReport:
    """One `lab run --repeat`.

    `runs` has the complete runs only: a run that was interrupted has a report of its own, and is not counted.
    `rate_interval` is the Wilson interval (95 %) of the share of runs that passed; None without runs.
    """

    schema: str = SCHEMA
    id: str
    started_at: str
    duration_s: float
    lab: LabFacts
    repeat: int
    interrupted: bool
    passed: int
    rate_interval: Interval | None
    exit_code: int
    runs: tuple[RepeatedRun, ...]
    checks: tuple[CheckStatistics, ...]


def repeated_run(report: Report) -> RepeatedRun:
    """Return the line of one run."""
    bad = (run for run in report.scenarios if run.outcome in {Outcome.FAILED, Outcome.ERRORED})
    return RepeatedRun(
        id=report.id,
        exit_code=report.exit_code,
        duration_s=report.duration_s,
        reasons=tuple(f"{run.name} {run.outcome.value}: {run.reason}" for run in bad),
    )


def exit_code(reports: Sequence[Report]) -> int:
    """Return 0 if every run passed, 1 if a check failed in one of them, 3 if the lab failed; 1 takes precedence."""
    codes = {report.exit_code for report in reports}
    return 1 if 1 in codes else max(codes, default=0)


def check_statistics(reports: Sequence[Report]) -> tuple[CheckStatistics, ...]:
    """Return the numbers of every check, in the order of the scenarios."""
    results: dict[tuple[str, str], list[CheckResult]] = {}
    for report in reports:
        for run in report.scenarios:
            for check in run.checks:
                results.setdefault((run.name, check.name), []).append(check)
    return tuple(_statistics(scenario, of_check) for (scenario, _), of_check in results.items())


def _statistics(scenario: str, results: Sequence[CheckResult]) -> CheckStatistics:
    outcomes = count(result.outcome for result in results)
    tried = len(results) - outcomes[Outcome.SKIPPED]
    losses = [loss for loss in map(_loss, results) if loss is not None]
    return CheckStatistics(
        scenario=scenario,
        check=results[0].name,
        claim=results[0].claim,
        outcomes=outcomes,
        rate=outcomes[Outcome.PASSED] / tried if tried else None,
        rate_interval=wilson(outcomes[Outcome.PASSED], tried),
        duration_s=Spread.of([result.duration_s for result in results if result.outcome is not Outcome.SKIPPED]),
        loss=_sum(losses),
    )


def _sum(losses: Sequence[tuple[int, int]]) -> Loss | None:
    by_run = Spread.of([lost for lost, _ in losses])
    if by_run is None:
        return None
    return Loss(by_run=by_run, lost=sum(lost for lost, _ in losses), sent=sum(sent for _, sent in losses))


def _loss(result: CheckResult) -> tuple[int, int] | None:
    """Return the lost and the sent requests of a check's loads; None without a load."""
    phases = list(_phases(result))
    if not phases:
        return None
    return sum(phase["lost"] for phase in phases), sum(phase["sent"] for phase in phases)


def _phases(result: CheckResult) -> Iterator[Mapping[str, Any]]:
    for piece in result.evidence:
        if piece.kind is EvidenceKind.LOAD and isinstance(piece.data, Mapping):
            data: Any = piece.data
            yield from data["phases"]


def summary(report: RepeatReport) -> str:
    """Return the result as one line: how many runs passed, with the interval, and how many checks failed."""
    runs = len(report.runs)
    if not runs:
        return "no run was completed"
    unsteady = sum(bool(check.outcomes[Outcome.FAILED] or check.outcomes[Outcome.ERRORED]) for check in report.checks)
    checks = "every check passed in every run"
    if unsteady:
        checks = f"{unsteady} of {len(report.checks)} checks failed or errored at least once"
    elif report.passed < runs:
        checks = "no check failed, but the lab did"
    rate = rate_text(report.passed / runs, report.rate_interval)
    return f"{report.passed} of {runs} runs passed ({rate}); {checks}"


def rate_text(rate: float | None, interval: Interval | None) -> str:
    """Return a rate with its interval as text: "95 %, interval 76.4 to 99.1 %"."""
    if rate is None or interval is None:
        return ""
    return f"{100 * rate:.4g} %, interval {100 * interval.low:.3g} to {100 * interval.high:.3g} %"


def spread_text(spread: Spread | None) -> str:
    """Return the median and range of a duration: "2.1 s (1.9 to 4.0)"."""
    return "" if spread is None else f"{spread.median:.1f} s ({spread.low:.1f} to {spread.high:.1f})"


def loss_text(loss: Loss | None) -> str:
    """Return lost requests as text: "median 2 (interval 1 to 4), max 7; 41 of 12,000 in all runs"."""
    if loss is None:
        return ""
    interval = loss.by_run.median_interval
    between = "" if interval is None else f" (interval {interval.low:g} to {interval.high:g})"
    return f"median {loss.by_run.median:g}{between}, max {loss.by_run.high:g}; {loss.lost:,} of {loss.sent:,} in all"
