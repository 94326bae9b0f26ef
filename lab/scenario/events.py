"""Events of a running scenario, for every view of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.scenario.executor import Output
from lab.scenario.model import Scenario, ScenarioStep
from lab.scenario.results import CheckResult, ScenarioRun, StepRun


@dataclass(frozen=True, kw_only=True)
class Began:
    """A scenario began, or one of its steps if `step` is set."""

    scenario: Scenario
    step: ScenarioStep | None = None


@dataclass(frozen=True, kw_only=True)
class StepOutput:
    """A step typed a command, or a command printed a line."""

    scenario: Scenario
    step: ScenarioStep
    output: Output


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A check has ended."""

    scenario: Scenario
    step: ScenarioStep
    result: CheckResult


@dataclass(frozen=True, kw_only=True)
class ScenarioStepEnded:
    """A step has ended."""

    scenario: Scenario
    step: ScenarioStep
    run: StepRun


@dataclass(frozen=True, kw_only=True)
class Restoring:
    """A scenario undoes its changes; after Ctrl-C (`interrupted`) in a limited time."""

    scenario: Scenario
    interrupted: bool = False


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A scenario has ended, after its undo."""

    scenario: Scenario
    run: ScenarioRun


Event = Began | StepOutput | Checked | ScenarioStepEnded | Restoring | Ended
Sink = Callable[[Event], None]
