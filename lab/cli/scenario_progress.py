"""Show a run of scenarios: one line for each step and check, and the progress of the step that runs."""

from __future__ import annotations

import time

from rich.console import Console
from rich.status import Status
from rich.text import Text

from lab.present.marks import MARKS
from lab.scenario.events import Began, Checked, Ended, Event, Restoring, ScenarioStepEnded, StepOutput
from lab.scenario.executor import Printed, Typed
from lab.scenario.observation import Outcome
from lab.scenario.results import CheckResult, Report, ScenarioRun, summary

_PROGRESS_EVERY_S = 10.0


class ScenarioConsole:
    """Prints events as they come; on a terminal the last line shows the current step."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        self._status: Status | None = None
        self._printed_s = 0.0
        self._doing = ""

    def take(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Began(scenario=scenario, step=None):
                self._print(Text.assemble("\n", (scenario.title, "bold"), f"  {scenario.claim}"))
            case Began(step=step) if step is not None:
                self._now(step.title)
            case StepOutput(output=Typed(text=text)):
                self._typed(text)
            case StepOutput(output=Printed(line=line)) if self._verbose:
                self._print(Text(f"      {line}", "dim"))
            case Checked(result=result):
                self._print(check_line(result))
                self._evidence(result)
            case ScenarioStepEnded(run=run) if run.outcome is Outcome.ERRORED and run.reason:
                self._print(_line(Outcome.ERRORED, f"{run.name}: {run.reason}", run.duration_s))
            case ScenarioStepEnded(run=run) if not run.checks:
                self._print(_line(run.outcome, run.title + (f": {run.reason}" if run.reason else ""), run.duration_s))
            case Restoring(scenario=scenario, interrupted=True):
                words = f"interrupted: undoing what {scenario.name} changed; press Ctrl-C again to stop at once"
                self._print(Text(f"! {words}", "bold yellow"))
                self._now("undoing")
            case Restoring():
                self._now("undoing the changes")
            case Ended(run=run):
                self._end(run)

    def progress(self, text: str, _fraction: float | None = None) -> None:
        """Show what the current step waits for; without a terminal, one line every 10 s."""
        if self._console.is_terminal:
            self._now(f"{self._doing.partition('  ')[0]}  {text}")
        elif time.monotonic() - self._printed_s >= _PROGRESS_EVERY_S:
            self._printed_s = time.monotonic()
            self._print(Text(f"  … {text}"))

    def _typed(self, command: str) -> None:
        if self._verbose:
            self._print(Text(f"    $ {command}", "dim"))
        else:
            self.progress(f"$ {command}")

    def _end(self, run: ScenarioRun) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
        for problem in run.restore_problems:
            self._print(_line(Outcome.ERRORED, problem, 0.0))
        words = f"{run.name} {run.outcome.value}" + (f": {run.reason}" if run.reason else "")
        if run.sabotage is not None:
            words = f"{run.name}, {run.sabotage.title}: {run.sabotage.verdict}"
        outcome = run.outcome
        if run.sabotage is not None:
            outcome = {True: Outcome.PASSED, False: Outcome.FAILED, None: Outcome.SKIPPED}[run.sabotage.caught]
        mark, style = MARKS[outcome]
        self._print(Text.assemble((f"{mark} {words}", style), (f"  {run.duration_s:.1f} s", "dim")))

    def _evidence(self, result: CheckResult) -> None:
        # Evidence of passed checks is long and rarely read.
        if self._verbose or result.outcome in {Outcome.FAILED, Outcome.ERRORED}:
            for piece in result.evidence:
                self._print(Text(f"      {piece.title}", "dim"))
                for line in piece.text.splitlines()[-20:]:
                    self._print(Text(f"        {line}", "dim"))

    def _now(self, text: str) -> None:
        self._doing = text
        if not self._console.is_terminal:
            return
        if self._status is None:
            self._status = self._console.status(Text(text), spinner="dots")
            self._status.start()
        else:
            self._status.update(Text(text))

    def _print(self, text: Text) -> None:
        self._printed_s = time.monotonic()
        self._console.print(text, highlight=False, soft_wrap=True)


def check_line(result: CheckResult) -> Text:
    """Return one line for a check: the claim, the observation, and for a failed check the expectation."""
    words = result.claim
    match result.outcome:
        case Outcome.PASSED:
            words += f": {result.observed}"
        case Outcome.FAILED:
            words += f": expected {result.expected}, saw {result.observed}"
        case _:
            words += f": {result.reason}"
    return _line(result.outcome, words, result.duration_s)


def _line(outcome: Outcome, words: str, duration_s: float) -> Text:
    mark, style = MARKS[outcome]
    took = f"  {duration_s:.1f} s" if duration_s >= 0.1 else ""
    return Text.assemble("  ", (mark, style), " ", (words, "" if outcome is Outcome.PASSED else style), (took, "dim"))


def end(console: Console, report: Report, where: str) -> None:
    """Print the result of a run and the path of its report."""
    if report.mode == "run":
        counts = summary(report.counts)
    else:
        tried = [run.sabotage for run in report.scenarios if run.sabotage is not None]
        caught = sum(sabotage.caught is True for sabotage in tried)
        counts = f"{caught} of {len(tried)} sabotages caught"
    style = "bold green" if report.exit_code == 0 else "bold red"
    console.print(f"\n{counts} in {report.duration_s:.1f} s", style=style, highlight=False)
    console.print(f"report: {where}", highlight=False, soft_wrap=True)
