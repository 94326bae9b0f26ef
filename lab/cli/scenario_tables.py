"""Print scenarios, checks, runs and their differences: as tables, or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from lab.cli.output import print_json, table_of
from lab.cli.scenario_progress import check_line
from lab.report import Difference, Overview
from lab.report import repetitions as numbers
from lab.report.repetitions import CheckStatistics, RepeatReport
from lab.scenario.model import Scenario
from lab.scenario.results import Report, StepRun
from lab.stacks import CheckVerdict, UpstreamCheck


def scenarios(console: Console, chosen: Sequence[Scenario], *, as_json: bool) -> None:
    """Print scenarios with their claims and steps."""
    if as_json:
        fields = [
            {"name": s.name, "act": s.act, "claim": s.claim, "steps": [step.name for step in s.steps]} for s in chosen
        ]
        print_json(console, fields)
        return
    table = table_of("scenario", "claim", "steps")
    for scenario in chosen:
        table.add_row(scenario.name, scenario.claim, ", ".join(step.name for step in scenario.steps))
    console.print(table)


def report(console: Console, written: Report) -> None:
    """Print a whole report as JSON."""
    print_json(console, written)


def step_checks(console: Console, step: StepRun, *, as_json: bool) -> None:
    """Print the checks of one step."""
    if as_json:
        checks = [
            {
                "claim": check.claim,
                "outcome": check.outcome,
                "expected": check.expected,
                "observed": check.observed,
                "reason": check.reason,
            }
            for check in step.checks
        ]
        print_json(console, {"step": step.name, "outcome": step.outcome, "reason": step.reason, "checks": checks})
        return
    for check in step.checks:
        console.print(check_line(check))


def reports(console: Console, found: Sequence[Overview], *, as_json: bool) -> None:
    """Print one line for each report."""
    if as_json:
        print_json(console, found)
        return
    if not found:
        console.print("there is no report yet. next: lab run", highlight=False)
        return
    table = table_of("report", "what", "result", "took")
    for one in found:
        what = f"{one.mode}: {one.what}"
        style = "green" if one.exit_code == 0 else "red"
        table.add_row(one.id, Text(what), Text(one.result, style), f"{one.duration_s:.1f} s")
    console.print(table)


def repetitions(console: Console, report: RepeatReport, page: Path, *, as_json: bool) -> None:
    """Print the statistics of a repeat: each check, each run that did not pass, the result, and the page's path."""
    if as_json:
        print_json(console, report)
        return
    if report.checks:
        table = table_of("check", "passed", "rate (95 %)", "duration: median (range)", "lost requests")
        for check in report.checks:
            table.add_row(
                f"{check.scenario}/{check.check}",
                _passed(check),
                numbers.rate_text(check.rate, check.rate_interval),
                numbers.spread_text(check.duration_s),
                numbers.loss_text(check.loss),
            )
        console.print(table)
    for run in report.runs:
        if run.exit_code:
            console.print(Text(f"{run.id}: {'; '.join(run.reasons)}", "red"), soft_wrap=True)
    passed = report.passed == len(report.runs) > 0
    text = f"\n{numbers.summary(report)} in {report.duration_s:.1f} s"
    console.print(Text(text, "bold green" if passed else "bold red"), soft_wrap=True)
    if report.runs:
        console.print(f"summary: {page}", markup=False, soft_wrap=True)


def _passed(check: CheckStatistics) -> Text:
    if not check.tried:
        return Text("skipped", "dim")
    return Text(f"{check.passed} of {check.tried}", "green" if check.passed == check.tried else "red")


def differences(console: Console, found: Sequence[Difference], *, as_json: bool) -> None:
    """Print the differences between two runs."""
    if as_json:
        print_json(console, found)
        return
    if not found:
        console.print("no differences between the two runs", style="green")
        return
    table = table_of("where", "what", "before", "after")
    for d in found:
        style = {True: "bold red", False: "green", None: ""}[d.worse]
        table.add_row(d.where, d.what, d.before, Text(d.after, style))
    console.print(table)


_SIGNS = {
    CheckVerdict.OK: ("✓", "green"),
    CheckVerdict.OFFLINE: ("-", "dim"),
    CheckVerdict.WARNING: ("!", "yellow"),
    CheckVerdict.FAILED: ("✗", "bold red"),
}


def upstream_checks(console: Console, found: Sequence[UpstreamCheck], *, as_json: bool) -> None:
    """Print the results of upstream's own checks: each one that is not OK, then the counts."""
    if as_json:
        print_json(console, found)
        return
    for check in found:
        if check.verdict is not CheckVerdict.OK or check.words:
            mark, style = _SIGNS[check.verdict]
            words = f": {check.words}" if check.words else ""
            text = Text.assemble((f"{mark} {check.cluster} ", style), f"{check.what}{words}")
            if check.verdict is CheckVerdict.OFFLINE:
                text.append(" (needs the Internet; not a problem of the lab)", "dim")
            console.print(text, soft_wrap=True)
    for cluster, command in dict.fromkeys((check.cluster, check.command) for check in found):
        lines = [check for check in found if (check.cluster, check.command) == (cluster, command)]
        counts = ", ".join(
            f"{count} {verdict.value}"
            for verdict in CheckVerdict
            if (count := sum(c.verdict is verdict for c in lines))
        )
        failed = any(check.verdict is CheckVerdict.FAILED for check in lines)
        console.print(Text(f"{cluster}: {command}: {counts}", "bold red" if failed else "green"), soft_wrap=True)
