"""Run a scenario: do its steps, check them, and undo them in reverse order, also after a failure or Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from lab.base import cancel, events, wait
from lab.base.errors import LabError, WaitTimeout
from lab.base.redaction import redact
from lab.scenario.context import Context, StepNotRunError
from lab.scenario.events import Began, Checked, Ended, Restoring, ScenarioStepEnded, Sink
from lab.scenario.evidence import EvidenceFolder
from lab.scenario.model import Act, CannotLookError, Check, Observation, Outcome, Scenario, ScenarioStep, missing
from lab.scenario.results import CheckResult, SabotageRun, ScenarioRun, StepRun

CHECK_INTERVAL_S = 0.25
UNDO_S = 120.0
"""How long an interrupted run may take to undo its changes."""


class ScenarioInterrupted(KeyboardInterrupt):
    """Ctrl-C during a scenario, raised after its changes were undone; `run` has the result."""

    def __init__(self, run: ScenarioRun) -> None:
        super().__init__()
        self.run = run


@dataclass(kw_only=True)
class ScenarioRunner:
    """Runs scenarios one at a time.

    Args:
        context: the context for acts and checks.
        folder: the folder for evidence.
        sink: receives all events.
        progress: shows what a step waits for; None shows nothing.
        collect: saves logs and state of a failed scenario, and returns the names of the files.
    """

    context: Context
    folder: EvidenceFolder = field(default_factory=EvidenceFolder)
    sink: Sink = lambda _: None
    progress: events.Progress | None = None
    collect: Callable[[Scenario], Sequence[str]] = lambda _: ()

    def run(self, scenario: Scenario, *, sabotage: ScenarioStep | None = None) -> ScenarioRun:
        """Run a scenario and undo its changes.

        Args:
            scenario: the scenario.
            sabotage: the step to sabotage; the run ends after that step, and its result says whether the named check
                is FAILED.

        Raises:
            ScenarioInterrupted: on Ctrl-C, after the undo.
        """
        with events.reporting(self.progress) if self.progress else nullcontext():
            return _Run(runner=self, scenario=scenario, sabotage=sabotage).to_end()

    def run_step(self, scenario: Scenario, step: ScenarioStep, *, act: bool = True) -> StepRun:
        """Run one step without an undo (for `lab walk`); with `act` False, only check it (for `lab check`)."""
        with events.reporting(self.progress) if self.progress else nullcontext():
            return _Run(runner=self, scenario=scenario, sabotage=None).step(step, act=act)

    def undo_step(self, scenario: Scenario, step: ScenarioStep) -> tuple[str, ...]:
        """Undo one step, and return the problems."""
        with events.reporting(self.progress) if self.progress else nullcontext():
            run = _Run(runner=self, scenario=scenario, sabotage=None)
            run.undos = [(step.name, step.undo)] if step.undo else []
            return run.restore()


@dataclass(kw_only=True)
class _Run:
    runner: ScenarioRunner
    scenario: Scenario
    sabotage: ScenarioStep | None
    undos: list[tuple[str, Act]] = field(default_factory=list)
    runs: list[StepRun] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def to_end(self) -> ScenarioRun:
        context, sink = self.runner.context, self.runner.sink
        began, began_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
        sink(Began(scenario=self.scenario))
        why = missing(self.scenario.requires, context.mesh.capabilities)
        interrupted = False
        files: tuple[str, ...] = ()
        if why is None:
            context.memo.clear()
            try:
                self._steps()
                if self._outcome() in {Outcome.FAILED, Outcome.ERRORED} and self.sabotage is None:
                    files = tuple(self.runner.collect(self.scenario))  # before the undo hides the cause
                sink(Restoring(scenario=self.scenario))
                self.restore()
            except KeyboardInterrupt:
                interrupted = True
                sink(Restoring(scenario=self.scenario, interrupted=True))
                self._restore_in_time()
        restore_problems = tuple(self.problems)
        outcome = Outcome.SKIPPED if why else Outcome.ERRORED if interrupted else self._outcome()
        if restore_problems and outcome is Outcome.PASSED:
            outcome = Outcome.ERRORED
        run = ScenarioRun(
            name=self.scenario.name,
            title=self.scenario.title,
            claim=self.scenario.claim,
            topology=self.scenario.topology,
            outcome=outcome,
            reason=why or ("interrupted" if interrupted else "; ".join(restore_problems) or self._reason()),
            started_at=began_at,
            duration_s=time.monotonic() - began,
            steps=tuple(self.runs),
            restore_problems=restore_problems,
            files=files,
        )
        run = replace(run, sabotage=_verdict(self.sabotage, run))
        sink(Ended(scenario=self.scenario, run=run))
        if interrupted:
            raise ScenarioInterrupted(run)
        return run

    def _steps(self) -> None:
        stopped = ""
        for step in self.scenario.steps:
            self.runner.sink(Began(scenario=self.scenario, step=step))
            if stopped:
                run = _not_run(step, stopped)
            elif step.full_only and not self.runner.context.full:
                run = _not_run(step, "part of the full set: lab run --full")
            else:
                run = self.step(step)
            self.runs.append(run)
            self.runner.sink(ScenarioStepEnded(scenario=self.scenario, step=step, run=run))
            if run.outcome in {Outcome.FAILED, Outcome.ERRORED}:
                stopped = stopped or f"step {step.name} {run.outcome.value} before it"
            if step is self.sabotage:
                return

    def step(self, step: ScenarioStep, *, act: bool = True) -> StepRun:
        context = self.runner.context
        began = time.monotonic()
        problem = ""
        checks: list[CheckResult] = []
        context.take_printed()
        if act:
            problem = self._act(step)
        if problem:
            checks += _unchecked(step, Outcome.ERRORED, problem)
        else:
            for check in step.checks:
                # After the expected failure, waiting for the other checks would show nothing new.
                caught = any(step is self.sabotage and _is_expected_failure(step, result) for result in checks)
                result = self._check(check, within_s=0.0 if caught else check.within_s, acted=act)
                checks.append(result)
                self.runner.sink(Checked(scenario=self.scenario, step=step, result=result))
        outcome = Outcome.ERRORED if problem else _worst([check.outcome for check in checks])
        return StepRun(
            name=step.name,
            title=step.title,
            narration=step.narration,
            command=step.command,
            outcome=outcome,
            reason=problem,
            duration_s=time.monotonic() - began,
            output=redact(context.take_printed()),
            checks=tuple(checks),
        )

    def _act(self, step: ScenarioStep) -> str:
        """Do the step, with its sabotage if it is the sabotaged one, and return the problem, or nothing."""
        if step.undo is not None:
            self.undos.append((step.name, step.undo))  # before the act: one that fails in the middle is undone too
        context = self.runner.context
        try:
            self._sabotage(step, before_act=True)
            if step.act is not None:
                step.act(context)
            elif step.command:
                context.type(step.command)
            self._sabotage(step, before_act=False)
        except Exception as error:  # any error makes the step ERRORED
            return _words(error)
        return ""

    def _sabotage(self, step: ScenarioStep, *, before_act: bool) -> None:
        sabotage = step.sabotage
        if step is self.sabotage and sabotage is not None and sabotage.before_act is before_act:
            self.undos.append((f"{step.name} sabotage", sabotage.undo))
            sabotage.act(self.runner.context)

    def _check(self, check: Check, *, within_s: float, acted: bool) -> CheckResult:
        context, began = self.runner.context, time.monotonic()
        observed, reason = "", ""
        seen: Observation | None = None
        why = missing(check.requires, context.mesh.capabilities)
        if why is not None:
            outcome, reason = Outcome.SKIPPED, why
        else:
            try:
                seen = _look(check, context, within_s)
            except CannotLookError as error:
                outcome, reason = Outcome.SKIPPED, _words(error).removeprefix("CannotLookError: ")
            except StepNotRunError as error:
                if acted:
                    outcome, reason = (
                        Outcome.ERRORED,
                        f"the step has not measured {str(error)!r}, which this check needs",
                    )
                else:
                    outcome, reason = Outcome.SKIPPED, _run_first(self.scenario)
            except Exception as error:  # an observation that fails says nothing about the claim
                outcome, reason = Outcome.ERRORED, _words(error)
            else:
                outcome, observed = Outcome.PASSED if seen.holds else Outcome.FAILED, seen.seen
                if seen.unclear:
                    outcome, reason = Outcome.ERRORED, seen.unclear
                elif not seen.evidence:
                    outcome, reason = Outcome.ERRORED, "the check has no evidence"
        return CheckResult(
            name=check.name,
            claim=check.claim,
            expected=check.expected,
            observed=redact(observed),
            outcome=outcome,
            reason=reason,
            duration_s=time.monotonic() - began,
            evidence=tuple(self.runner.folder.keep(piece) for piece in seen.evidence) if seen else (),
        )

    def restore(self) -> tuple[str, ...]:
        """Undo all steps in reverse order, and return the problems.

        Raises:
            KeyboardInterrupt: on Ctrl-C; call `restore` again to undo the rest, with the interrupted undo.
        """
        while self.undos:
            name, undo = self.undos[-1]
            try:
                undo(self.runner.context)
            except Exception as error:  # the other undos must still run
                self.problems.append(f"{name} could not be undone: {_words(error)}")
            self.undos.pop()
        return tuple(self.problems)

    def _restore_in_time(self) -> None:
        with cancel.undoing(UNDO_S):
            try:
                self.restore()
            except KeyboardInterrupt:  # the time is up; a second Ctrl-C ends the process
                left = ", ".join(name for name, _ in reversed(self.undos))
                self.problems.append(f"timed out after {UNDO_S:g} s undoing {left}; run `lab reset`")
                self.undos.clear()

    def _outcome(self) -> Outcome:
        return _worst([run.outcome for run in self.runs])

    def _reason(self) -> str:
        for run in self.runs:
            if run.outcome is Outcome.ERRORED:
                return run.reason or next(c.reason for c in run.checks if c.outcome is Outcome.ERRORED)
            if run.outcome is Outcome.FAILED:
                return next(f"{c.name}: {c.observed}" for c in run.checks if c.outcome is Outcome.FAILED)
        return ""


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


def _worst(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the worst outcome. ERRORED comes first: on a broken lab, a failed check means nothing."""
    for outcome in (Outcome.ERRORED, Outcome.FAILED, Outcome.PASSED, Outcome.SKIPPED):
        if outcome in outcomes:
            return outcome
    return Outcome.PASSED


def _verdict(step: ScenarioStep | None, run: ScenarioRun) -> SabotageRun | None:
    if step is None or step.sabotage is None:
        return None
    expected = step.sabotage.fails
    failed = [check.name for check in run.checks if check.outcome is Outcome.FAILED]
    errored = [check.name for check in run.checks if check.outcome is Outcome.ERRORED]
    earlier = [r.name for r in run.steps if r.name != step.name and r.outcome in {Outcome.FAILED, Outcome.ERRORED}]
    broken = next((r.reason for r in run.steps if r.name == step.name and r.reason), "")
    caught: bool | None
    if run.outcome is Outcome.SKIPPED:
        caught, verdict = None, f"not tried: {run.reason}"
    elif earlier:
        caught, verdict = False, f"step {earlier[0]} went wrong before anything was sabotaged"
    elif errored or broken:
        caught, verdict = False, f"the lab broke: {broken or ', '.join(errored)}"
    elif expected not in failed:
        caught, verdict = False, f"{expected} did not notice"
    else:
        others = f", and so were {', '.join(name for name in failed if name != expected)}" if len(failed) > 1 else ""
        caught, verdict = True, f"{expected} was FAILED, as it must be{others}"
    return SabotageRun(step=step.name, title=step.sabotage.title, fails=expected, caught=caught, verdict=verdict)


def _not_run(step: ScenarioStep, reason: str) -> StepRun:
    return StepRun(
        name=step.name,
        title=step.title,
        narration=step.narration,
        command=step.command,
        outcome=Outcome.SKIPPED,
        reason=reason,
        duration_s=0.0,
        checks=tuple(_unchecked(step, Outcome.SKIPPED, reason)),
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


def _words(error: BaseException) -> str:
    return redact(str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}")
