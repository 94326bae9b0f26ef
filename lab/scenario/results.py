"""Results of scenarios, steps and checks; `lab.report` writes and reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lab.scenario.evidence import Evidence
from lab.scenario.model import Topology
from lab.scenario.observation import Outcome

SCHEMA = "eastwest.lab/report/v2"
"""Its version is increased with every change that a reader of report.json would notice.

Since v2, `retried` and the requests' `attempts` in a load's evidence are null where no answer tells how often a request
was sent; v1 has 0 and 1 there.
"""
READABLE = frozenset({"eastwest.lab/report/v1", SCHEMA})
"""The schemas that this version reads."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of a check, or the reason why it did not run; `duration_s` includes its retries."""

    name: str
    claim: str
    expected: str
    observed: str
    outcome: Outcome
    duration_s: float
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """The result of a step, or the reason why it did not run; `output` is the output of its commands."""

    name: str
    title: str
    narration: str
    command: str
    outcome: Outcome
    duration_s: float
    reason: str = ""
    output: str = ""
    checks: tuple[CheckResult, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SabotageRun:
    """The result of a sabotage: what was switched off, the check that must fail, and whether it failed.

    `caught` is None if it was not tried, because the stack lacks a capability.
    """

    step: str
    title: str
    fails: str
    caught: bool | None
    verdict: str


@dataclass(frozen=True, kw_only=True)
class ScenarioRun:
    """The result of a scenario; `restore_problems` lists changes that could not be undone."""

    name: str
    title: str
    claim: str
    topology: Topology
    outcome: Outcome
    started_at: str
    duration_s: float
    reason: str = ""
    steps: tuple[StepRun, ...] = ()
    restore_problems: tuple[str, ...] = ()
    sabotage: SabotageRun | None = None
    files: tuple[str, ...] = ()
    """Files with logs and state of a scenario that failed, relative to the run's folder."""

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes of all checks, and of all steps without checks that are ERRORED.

        A scenario that is ERRORED otherwise, because it was interrupted or not undone, counts as one.
        """
        broken = [step.outcome for step in self.steps if step.outcome is Outcome.ERRORED and not step.checks]
        found = (*(check.outcome for check in self.checks), *broken)
        own = (self.outcome,) if self.outcome is Outcome.ERRORED and self.outcome not in found else ()
        return (*found, *own)

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """All checks of all steps."""
        return tuple(check for step in self.steps for check in step.checks)


@dataclass(frozen=True, kw_only=True)
class LabFacts:
    """The lab of a run: its name, stack, clusters and versions."""

    name: str
    stack: str
    clusters: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """One `lab run`. `started_at` is UTC, ISO 8601; `mode` is "run" or "sabotage"."""

    schema: str = SCHEMA
    id: str
    mode: str
    started_at: str
    duration_s: float
    lab: LabFacts
    scenarios: tuple[ScenarioRun, ...]

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """The number of checks by outcome; a step without checks, and a scenario, counts if it is ERRORED."""
        return count(outcome for scenario in self.scenarios for outcome in scenario.outcomes)

    @property
    def exit_code(self) -> int:
        """0 ok, 1 a check failed, 3 the lab failed; 1 takes precedence over 3."""
        if self.mode == "sabotage":
            uncaught = [run for run in self.scenarios if run.sabotage is not None and run.sabotage.caught is False]
            errored = any(run.outcome is Outcome.ERRORED for run in uncaught)
            broken = any(run.restore_problems for run in self.scenarios)
            return (3 if errored else 1) if uncaught else 3 if broken else 0
        outcomes = {run.outcome for run in self.scenarios}
        if Outcome.FAILED in outcomes:
            return 1
        return 3 if Outcome.ERRORED in outcomes else 0


def count(outcomes: Iterable[Outcome]) -> dict[Outcome, int]:
    """Count outcomes; every outcome has a number."""
    counts = dict.fromkeys(Outcome, 0)
    for outcome in outcomes:
        counts[outcome] += 1
    return counts


def summary(counts: Mapping[Outcome, int]) -> str:
    """Return the counts as text: "12 passed, 0 failed, 0 errored, 1 skipped"."""
    return ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)
