"""What became of scenarios: the nouns of a report. `lab.report` writes and reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lab.scenario.evidence import Evidence
from lab.scenario.model import Outcome, Topology

SCHEMA = "eastwest.lab/report/v1"
"""Raised with every change that a reader of report.json would notice."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """A check that ran, or the reason why it did not. `duration_s`: until it held or was given up."""

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
    """A step that ran, or why it did not. `output` is what its commands printed."""

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
    """What was switched off, which check had to fail by it, and whether exactly that happened.

    `caught` is None where it was not tried, because the scenario needs what the stack lacks.
    """

    step: str
    title: str
    fails: str
    caught: bool | None
    verdict: str


@dataclass(frozen=True, kw_only=True)
class ScenarioRun:
    """A scenario that ran. `restore_problems`: what could not be undone."""

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
    """Logs and state that were kept because something went wrong, relative to the run's folder."""

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How every check ended, and every step without checks in which the lab broke."""
        broken = [step.outcome for step in self.steps if step.outcome is Outcome.ERRORED and not step.checks]
        return (*(check.outcome for check in self.checks), *broken)

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """All checks of all steps."""
        return tuple(check for step in self.steps for check in step.checks)


@dataclass(frozen=True, kw_only=True)
class LabFacts:
    """On what it ran: the lab's name, its stack, its clusters with their parts, versions by name."""

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
        """How many checks ended how; a step without checks counts when the lab broke in it."""
        return count(outcome for scenario in self.scenarios for outcome in scenario.outcomes)

    @property
    def exit_code(self) -> int:
        """0 ok, 1 a claim does not hold, 3 the lab broke; a wrong behaviour outranks a broken lab."""
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
    """Return the counts in words: "12 passed, 0 failed, 0 errored, 1 skipped"."""
    return ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)
