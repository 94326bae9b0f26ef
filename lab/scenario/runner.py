"""Run scenarios from the first step to the last, and undo them in reverse order, also after a failure or Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from lab.base import cancel
from lab.scenario.context import Context
from lab.scenario.events import Began, Ended, Restoring, ScenarioStepEnded
from lab.scenario.model import Scenario, ScenarioStep, missing
from lab.scenario.observation import Outcome
from lab.scenario.results import SabotageRun, ScenarioRun, StepRun
from lab.scenario.steps import StepRunner, not_run, worst

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
        steps: runs their steps.
        collect: saves logs and state of a failed scenario, and returns the names of the files.
    """

    steps: StepRunner
    collect: Callable[[Scenario], Sequence[str]] = lambda _: ()

    @property
    def context(self) -> Context:
        """The context of the checks."""
        return self.steps.context

    def run(self, scenario: Scenario, *, sabotage: ScenarioStep | None = None) -> ScenarioRun:
        """Run a scenario and undo its changes.

        Args:
            scenario: the scenario.
            sabotage: the step to sabotage; the run ends after that step, and its result says whether the named check
                is FAILED. The steps before it run too, unless it is `alone`.

        Raises:
            ScenarioInterrupted: on Ctrl-C, after the undo.
        """
        return _Run(runner=self, scenario=scenario, sabotage=sabotage).to_end()


@dataclass(kw_only=True)
class _Run:
    runner: ScenarioRunner
    scenario: Scenario
    sabotage: ScenarioStep | None
    begun: list[ScenarioStep] = field(default_factory=list)
    """Steps that have to be undone."""
    runs: list[StepRun] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def to_end(self) -> ScenarioRun:
        context, sink = self.runner.context, self.runner.steps.sink
        began, began_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
        sink(Began(scenario=self.scenario))
        why = missing(self.scenario.requires, context.capabilities) or self.scenario.obstacle(context)
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
        alone = self.sabotage if self.sabotage and self.sabotage.alone else None
        for step in (alone,) if alone else self.scenario.steps:
            self.runner.steps.sink(Began(scenario=self.scenario, step=step))
            if stopped:
                run = not_run(step, stopped)
            elif step.full_only and not self.runner.context.full:
                run = not_run(step, "part of the full set: lab run --full")
            else:
                self.begun.append(step)  # before the step: one that fails or is interrupted is undone too
                run = self.runner.steps.run(self.scenario, step, sabotaged=step is self.sabotage)
            self.runs.append(run)
            self.runner.steps.sink(ScenarioStepEnded(scenario=self.scenario, step=step, run=run))
            if run.outcome in {Outcome.FAILED, Outcome.ERRORED}:
                stopped = stopped or f"step {step.name} {run.outcome.value} before it"
            if step is self.sabotage:
                return

    def restore(self) -> None:
        """Undo all steps in reverse order.

        Raises:
            KeyboardInterrupt: on Ctrl-C; call `restore` again to undo the rest, with the interrupted undo.
        """
        while self.begun:
            step = self.begun[-1]
            self.problems += self.runner.steps.undo(self.scenario, step, sabotaged=step is self.sabotage)
            self.begun.pop()
        self.runner.steps.executor.close()

    def _restore_in_time(self) -> None:
        with cancel.undoing(UNDO_S):
            try:
                self.restore()
            except KeyboardInterrupt:  # the time is up; a second Ctrl-C ends the process
                left = ", ".join(step.name for step in reversed(self.begun))
                self.problems.append(f"timed out after {UNDO_S:g} s undoing {left}; run `lab reset`")
                self.begun.clear()
                with suppress(KeyboardInterrupt):
                    self.runner.steps.executor.close()

    def _outcome(self) -> Outcome:
        return worst([run.outcome for run in self.runs])

    def _reason(self) -> str:
        for run in self.runs:
            if run.outcome is Outcome.ERRORED:
                return run.reason or next(c.reason for c in run.checks if c.outcome is Outcome.ERRORED)
            if run.outcome is Outcome.FAILED:
                return next(f"{c.name}: {c.observed}" for c in run.checks if c.outcome is Outcome.FAILED)
        return ""


def _verdict(step: ScenarioStep | None, run: ScenarioRun) -> SabotageRun | None:
    if step is None or step.sabotage is None:
        return None
    expected = step.sabotage.fails
    failed = [check.name for check in run.checks if check.outcome is Outcome.FAILED]
    errored = [f"{check.name}: {check.reason}" for check in run.checks if check.outcome is Outcome.ERRORED]
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
