"""What happens while a scenario runs, as a stream of events that a console can show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.scenario.model import Scenario, ScenarioStep
from lab.scenario.results import CheckResult, ScenarioRun, StepRun


@dataclass(frozen=True, kw_only=True)
class Began:
    """A scenario, or with `step` one of its steps, begins."""

    scenario: Scenario
    step: ScenarioStep | None = None


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
    """A scenario undoes what it did; `interrupted` because of Ctrl-C, and then in a limited time."""

    scenario: Scenario
    interrupted: bool = False


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A scenario has ended, and its changes are undone."""

    scenario: Scenario
    run: ScenarioRun


Event = Began | Checked | ScenarioStepEnded | Restoring | Ended
Sink = Callable[[Event], None]
