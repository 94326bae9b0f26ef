"""Run one step: its actions, then its checks. Undo a step. Every way to run scenarios uses this module."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from lab.base import events, wait
from lab.base.errors import UsageError, WaitTimeout
from lab.base.redaction import redact
from lab.scenario.actions import Action
from lab.scenario.context import Context, StepNotRunError
from lab.scenario.events import Checked, Sink, StepOutput
from lab.scenario.evidence import EvidenceFolder
from lab.scenario.executor import Executor, Output, Typed, error_text, transcript
from lab.scenario.model import Check, Scenario, ScenarioStep, missing
from lab.scenario.observation import CannotLookError, Observation, Outcome
from lab.scenario.results import CheckResult, StepRun

CHECK_INTERVAL_S = 0.25


class SendMark(Protocol):
    """The shape of `PageMarks.send`."""

    def __call__(self, text: str, kind: str, *, intended: bool) -> None:
        """Send a mark soon."""


def _no_mark(*_: object, **__: object) -> None:
    return


@dataclass(kw_only=True)
class StepRunner:
    """Runs, checks and undoes steps, one at a time.

    Args:
        executor: executes actions.
        folder: the folder for evidence.
        sink: receives all events.
        progress: shows what a step waits for; None shows nothing.
        mark: tells the page that a step began, or that a command was typed.
    """

    executor: Executor
    folder: EvidenceFolder = field(default_factory=EvidenceFolder)
    sink: Sink = lambda _: None
    progress: events.Progress | None = None
    mark: SendMark = _no_mark

    @property
    def context(self) -> Context:
        """The context of the checks."""
        return self.executor.context

    def run(self, scenario: Scenario, step: ScenarioStep, *, sabotaged: bool = False) -> StepRun:
        """Run a step's actions and then its checks; with `sabotaged`, also its sabotage."""
        if (why := missing(step.requires, self.context.capabilities)) is not None:
            return not_run(step, why)
        began = time.monotonic()
        self.mark(step.title, "step", intended=True)
        with self._recording(scenario, step) as output:
            problem = self._execute(scenario, step, sabotaged=sabotaged)
        if problem:
            checks = _unchecked(step, Outcome.ERRORED, problem)
        else:
            checks = self._checks(scenario, step, has_run=True, sabotaged=sabotaged)
        return _result(step, checks, began, problem=problem, output=output)

    def check(self, scenario: Scenario, step: ScenarioStep) -> StepRun:
        """Run a step's checks only."""
        if (why := missing(step.requires, self.context.capabilities)) is not None:
            return not_run(step, why)
        began = time.monotonic()
        return _result(step, self._checks(scenario, step, has_run=False, sabotaged=False), began)

    def undo(self, scenario: Scenario, step: ScenarioStep, *, sabotaged: bool = False) -> tuple[str, ...]:
        """Undo a step, and return the problems."""
        actions = step.undo
        if sabotaged and step.sabotage is not None:
            actions = (*step.sabotage.undo, *step.undo)
        if missing(step.requires, self.context.capabilities) is not None:
            return ()
        with self._recording(scenario, step):
            problems = self.executor.undo(scenario.name, actions)
        return tuple(f"{step.name} could not be undone: {problem}" for problem in problems)

    @contextmanager
    def _recording(self, scenario: Scenario, step: ScenarioStep) -> Iterator[list[Output]]:
        """Yield the list of everything that is typed and printed inside the block."""
        output: list[Output] = []

        def tell(item: Output) -> None:
            output.append(item)
            if isinstance(item, Typed):
                self.mark(item.text, "command", intended=True)
            self.sink(StepOutput(scenario=scenario, step=step, output=item))

        self.executor.tell = tell
        with events.reporting(self.progress) if self.progress else nullcontext():
            yield output

    def _execute(self, scenario: Scenario, step: ScenarioStep, *, sabotaged: bool) -> str:
        """Execute the step's actions, and return the problem, or nothing."""
        sabotage = step.sabotage if sabotaged else None
        off: tuple[Action, ...] = sabotage.do if sabotage else ()
        before, after = (off, ()) if sabotage and sabotage.before_do else ((), off)
        try:
            self.executor.do(scenario.name, (*step.before, *before))
            if step.load is not None:
                self.executor.under_load(scenario.name, step.do, step.load)
            else:
                self.executor.do(scenario.name, step.do)
            self.executor.do(scenario.name, after)
        except Exception as error:  # any error makes the step ERRORED
            return error_text(error)
        return ""

    def _checks(self, scenario: Scenario, step: ScenarioStep, *, has_run: bool, sabotaged: bool) -> list[CheckResult]:
        results: list[CheckResult] = []
        with events.reporting(self.progress) if self.progress else nullcontext():
            for check in step.checks:
                # After the expected failure, waiting for the other checks would show nothing new.
                caught = sabotaged and any(_is_expected_failure(step, result) for result in results)
                result = self._check(scenario, check, within_s=0.0 if caught else check.within_s, has_run=has_run)
                results.append(result)
                self.sink(Checked(scenario=scenario, step=step, result=result))
        return results

    def _check(self, scenario: Scenario, check: Check, *, within_s: float, has_run: bool) -> CheckResult:
        context, began = self.context, time.monotonic()
        observed, reason = "", ""
        observation: Observation | None = None
        why = missing(check.requires, context.capabilities)
        if why is not None:
            outcome, reason = Outcome.SKIPPED, why
        else:
            try:
                observation = _look(check, context, within_s)
            except CannotLookError as error:
                outcome, reason = Outcome.SKIPPED, redact(str(error))
            except StepNotRunError as error:
                if has_run:
                    outcome, reason = (
                        Outcome.ERRORED,
                        f"the step has not measured {str(error)!r}, which this check needs",
                    )
                else:
                    outcome, reason = Outcome.SKIPPED, _run_first(scenario)
            except Exception as error:  # an observation that fails says nothing about the claim
                outcome, reason = Outcome.ERRORED, error_text(error)
            else:
                outcome, observed = Outcome.PASSED if observation.holds else Outcome.FAILED, observation.seen
                if observation.unclear:
                    outcome, reason = Outcome.ERRORED, observation.unclear
                elif not observation.evidence:
                    outcome, reason = Outcome.ERRORED, "the check has no evidence"
        return CheckResult(
            name=check.name,
            claim=check.claim,
            expected=check.expected,
            observed=redact(observed),
            outcome=outcome,
            reason=reason,
            duration_s=time.monotonic() - began,
            evidence=tuple(self.folder.keep(piece) for piece in observation.evidence) if observation else (),
        )


def check_one(steps: StepRunner, scenarios: Sequence[Scenario], which: str) -> StepRun:
    """Check whether a step's claims hold now, without its actions.

    Args:
        steps: runs the checks.
        scenarios: the scenarios with the step.
        which: `scenario/step`.

    Raises:
        UsageError: there is no such step.
    """
    for scenario in scenarios:
        for step in scenario.steps:
            if f"{scenario.name}/{step.name}" == which:
                return steps.check(scenario, step)
    known = ", ".join(f"{s.name}/{step.name}" for s in scenarios for step in s.steps)
    raise UsageError(f"unknown step {which!r}; known: {known}", next="lab run --list")


def _is_expected_failure(step: ScenarioStep, result: CheckResult) -> bool:
    """Return whether this is the failure that the step's sabotage must cause."""
    return step.sabotage is not None and result.name == step.sabotage.fails and result.outcome is Outcome.FAILED


def _look(check: Check, context: Context, within_s: float) -> Observation:
    """Repeat an observation until the claim holds or the time is up, and return the last one."""
    last: Observation | None = None

    def probe() -> Observation | wait.NotYet:
        nonlocal last
        last = check.look(context)
        return last if last.holds else wait.NotYet(last.seen)

    if within_s <= 0:
        return check.look(context)
    try:
        return wait.until(check.claim, probe, timeout_s=within_s, interval_s=CHECK_INTERVAL_S)
    except WaitTimeout:
        if last is None:  # every observation raised a TransientError
            raise
        return last


def _run_first(scenario: Scenario) -> str:
    name = scenario.name
    return f"the step measures this while it runs; run it first: `lab walk {name}`, or all steps: `lab run {name}`"


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the worst outcome. ERRORED comes first: on a broken lab, a failed check means nothing."""
    for outcome in (Outcome.ERRORED, Outcome.FAILED, Outcome.PASSED, Outcome.SKIPPED):
        if outcome in outcomes:
            return outcome
    return Outcome.PASSED


def not_run(step: ScenarioStep, reason: str) -> StepRun:
    """Return the result of a step that did not run."""
    return StepRun(
        name=step.name,
        title=step.title,
        narration=step.narration,
        command=step.script,
        outcome=Outcome.SKIPPED,
        reason=reason,
        duration_s=0.0,
        checks=tuple(_unchecked(step, Outcome.SKIPPED, reason)),
    )


def _result(
    step: ScenarioStep,
    checks: Sequence[CheckResult],
    began: float,
    *,
    problem: str = "",
    output: Sequence[Output] = (),
) -> StepRun:
    return StepRun(
        name=step.name,
        title=step.title,
        narration=step.narration,
        command=step.script,
        outcome=Outcome.ERRORED if problem else worst([check.outcome for check in checks]),
        reason=problem,
        duration_s=time.monotonic() - began,
        output=transcript(output),
        checks=tuple(checks),
    )


def _unchecked(step: ScenarioStep, outcome: Outcome, reason: str) -> list[CheckResult]:
    return [
        CheckResult(
            name=check.name,
            claim=check.claim,
            expected=check.expected,
            observed="",
            outcome=outcome,
            reason=reason,
            duration_s=0.0,
        )
        for check in step.checks
    ]
