"""Commands that run, present and check scenarios, and show the reports of earlier runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lab.base.errors import UsageError
from lab.cli.groups import SCENARIOS
from lab.cli.named import lab_of, locked, need_nodes
from lab.cli.options import (
    AsJson,
    ConfigFile,
    Full,
    Rate,
    ScenarioNames,
    report_ids,
    run_ids,
    step_names,
)
from lab.cli.output import Unfinished, out, waiting
from lab.cli.presented import (
    PresentedNames,
    check_left,
    end_with,
    known,
    picked,
    refuse_fresh_rehearsal,
    steps_of,
    warn_of_changes,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lab.report.repetitions import RepeatReport

report_app = typer.Typer(invoke_without_command=True, help="List, open and compare the reports of earlier runs.")
Times = Annotated[
    int,
    typer.Option(
        "--repeat",
        min=1,
        metavar="N",
        help="Run all of them N times; report the pass rate, duration and lost requests of each check, with intervals.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (run, walk, check):
        app.command(rich_help_panel=SCENARIOS)(command)
    app.add_typer(report_app, name="report", rich_help_panel=SCENARIOS)


def run(
    names: ScenarioNames = None,
    file: ConfigFile = None,
    full: Full = False,
    rate: Rate = None,
    sabotage: Annotated[
        bool,
        typer.Option(
            "--sabotage", help="Switch off the mechanism behind each claim, such as a split; passes if its check fails."
        ),
    ] = False,
    repeat: Times = 1,
    listed: Annotated[bool, typer.Option("--list", help="List the scenarios, and run nothing.")] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Also show each command, its output, and the evidence of passed checks."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run scenarios: do each step, check it, undo all changes.

    Changes only the lab. Writes report.json, junit.xml and report.html into runs/ID in this folder. Exits
    with 1 if a check failed.

    Example: `lab run --repeat 20 disaster_recovery` also writes repeat.json, junit.xml and repeat.html into
    runs/ID-repeat. Ctrl-C ends it with the statistics of the complete runs.
    """
    from rich.console import Console

    from lab.cli import scenario_tables
    from lab.cli.scenario_progress import ScenarioConsole, end
    from lab.report import RepeatFolder, RunFolder
    from lab.report.environment import facts_of, keep_state
    from lab.report.repeat import Repeat
    from lab.report.session import Session, runs_folder
    from lab.scenario.page_marks import marking
    from lab.scenario.runner import ScenarioRunner

    lab = lab_of(file)
    chosen = known(lab).pick(names or [])
    if listed:
        scenario_tables.scenarios(out(), chosen, as_json=as_json)
        return
    if sabotage and repeat > 1:
        raise UsageError("--repeat and --sabotage cannot be combined", next="lab run --sabotage")
    need_nodes(lab)
    console = Console(stderr=as_json, quiet=as_json)
    view = ScenarioConsole(console, verbose=verbose)
    with locked(lab, "lab run", alone=True), marking(lab.ingress_url(lab.west.name)) as marks:
        steps = steps_of(lab, full=full, rate=rate)
        steps.sink, steps.progress, steps.mark = view.take, view.progress, marks.send
        warn_of_changes(lab, steps.context.mesh)
        facts = facts_of(lab, steps.context.mesh)

        def new_session() -> Session:
            return Session(
                runner=ScenarioRunner(steps=steps),
                facts=facts,
                run_folder=RunFolder.new(runs_folder()),
                keep_state=lambda folder: keep_state(steps.context, folder),
            )

        if repeat > 1:
            repeated = Repeat(
                times=repeat,
                session=new_session,
                facts=facts,
                folder=RepeatFolder.new(runs_folder()),
                started=lambda number: console.print(f"\nrun {number} of {repeat}", style="bold", highlight=False),
                ended=lambda session, report: end(console, report, str(session.run_folder.path / "report.html")),
            )
            _end_repeat(repeated.run(chosen), repeated.folder.page, as_json=as_json)
            return
        session = new_session()
        written = session.sabotage(chosen) if sabotage else session.run(chosen)
    if as_json:
        scenario_tables.report(out(), written)
    else:
        end(out(), written, str(session.run_folder.path / "report.html"))
    if session.interrupted:
        ended = {run.name for run in written.scenarios} - {written.scenarios[-1].name}
        left = " ".join(one.name for one in chosen if one.name not in ended)
        raise Unfinished(f"done: {' '.join(sorted(ended)) or 'none'}\nleft: {left}\nnext:  lab run {left}")
    if written.exit_code:
        raise typer.Exit(written.exit_code)


def _end_repeat(summary: RepeatReport, page: Path, *, as_json: bool) -> None:
    """Print the statistics of a repeat, and exit with its exit code."""
    from lab.cli import scenario_tables

    scenario_tables.repetitions(out(), summary, page, as_json=as_json)
    if summary.interrupted:
        runs = len(summary.runs)
        raise Unfinished(
            f"interrupted: {runs} of {summary.repeat} runs are complete and counted\nnext:  run the same command again"
        )
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)


def walk(
    names: PresentedNames = None,
    file: ConfigFile = None,
    full: Full = False,
    auto: Annotated[bool, typer.Option("--auto", help="Do not wait for keys; for a rehearsal or CI.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Undo what the last presentation left, and begin at the first step.")
    ] = False,
) -> None:
    """Present scenarios or whole acts step by step.

    Shows the narration and the command of each step, runs it when you press Enter, and checks the result. The last
    line of the screen lists the other keys. After q the lab stays as the last step left it: `lab walk` continues
    there, `lab reset` undoes it.
    """
    from lab.base.keyboard import read_key
    from lab.present.screen import Screen
    from lab.present.walk import rehearse
    from lab.present.walk import walk as present
    from lab.scenario.page_marks import marking
    from lab.scenario.position import Position
    from lab.scenario.presenter import Presenter

    refuse_fresh_rehearsal("lab walk", auto=auto, fresh=fresh)
    lab = lab_of(file)
    chosen = picked(lab, names)
    if not auto and not (sys.stdin and sys.stdin.isatty()):  # None: closed
        raise UsageError("standard input is not a terminal, so a walk cannot read keys", next="lab walk --auto")
    if not auto:
        check_left(lab, chosen, command="lab walk", fresh=fresh)
    need_nodes(lab)
    position = Position() if auto else Position.read(lab.paths.walk)
    screen = Screen(out(page=True), typed=not auto)
    with locked(lab, "lab walk", alone=True), marking(lab.ingress_url(lab.west.name)) as marks:
        steps = steps_of(lab, full=full)
        steps.mark = marks.send
        presenter = Presenter(scenarios=chosen, steps=steps, position=position)
        if auto:
            warn_of_changes(lab, presenter.steps.context.mesh)
            rehearse(presenter, screen)
        else:
            present(presenter, screen, read_key, fresh=fresh)
    if auto:
        end_with(*presenter.outcomes)


def check(
    step: Annotated[
        str | None,
        typer.Argument(
            metavar="SCENARIO/STEP",
            autocompletion=step_names,
            help="A step, see `lab run --list`. Default: upstream's own checks of the mesh.",
        ),
    ] = None,
    file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check the claims of a step, or run upstream's own checks.

    Changes nothing. Exits with 1 if a check failed, with 2 if the step must run before it can be checked.
    """
    from lab import stacks
    from lab.cli import scenario_tables
    from lab.lifecycle import checks
    from lab.scenario.observation import Outcome
    from lab.scenario.position import Position
    from lab.scenario.steps import check_one

    if step is None:
        with waiting("lab check"):
            found = checks.run(need_nodes(lab_of(file)))
        scenario_tables.upstream_checks(out(soft_wrap=True), found, as_json=as_json)
        if any(one.verdict is stacks.CheckVerdict.FAILED for one in found):
            raise typer.Exit(1)
        return
    lab = lab_of(file)
    if step not in (names := step_names("")):  # without a question to the lab
        raise UsageError(f"unknown step {step!r}; known: {', '.join(names)}", next="lab run --list")
    lab = need_nodes(lab)
    steps = steps_of(lab, full=True)
    steps.context.memo = Position.read(lab.paths.walk).memo  # the measurements of an unfinished walk
    result = check_one(steps, known(lab).pick([]), step)
    scenario_tables.step_checks(out(soft_wrap=True), result, as_json=as_json)
    end_with(result.outcome)
    if result.outcome is Outcome.SKIPPED:
        raise typer.Exit(2)


@report_app.callback()
def report_list(context: typer.Context, as_json: AsJson = False) -> None:
    """List the reports of runs, repeats, loads and stages, the newest first."""
    from lab import report
    from lab.cli import scenario_tables
    from lab.report.session import runs_folder

    if context.invoked_subcommand is None:
        listed = [report.overview(kept) for kept in report.listing(runs_folder())]
        scenario_tables.reports(out(), listed, as_json=as_json)


@report_app.command(name="open")
def report_open(
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            autocompletion=report_ids,
            help="The id of a run, a repeat or a load, or the beginning of one. Default: the newest.",
        ),
    ] = None,
) -> None:
    """Open a report in a browser, and print its path."""
    import webbrowser

    from lab import report
    from lab.report.session import runs_folder

    kept = report.find(runs_folder(), which)
    if kept.kind is report.Kind.STAGE:
        raise UsageError(f"{kept.id} is the recording of a stage", next=f"lab stage --replay {kept.id}")
    typer.echo(kept.page)
    webbrowser.open(kept.page.as_uri())


@report_app.command(name="diff")
def report_diff(
    before: Annotated[
        str, typer.Argument(metavar="BEFORE", autocompletion=run_ids, help="A run's id, or the beginning of one.")
    ],
    after: Annotated[
        str, typer.Argument(metavar="AFTER", autocompletion=run_ids, help="The run to compare with BEFORE.")
    ],
    as_json: AsJson = False,
) -> None:
    """Compare two runs: outcomes, durations, lost requests, versions.

    Exits with 1 if something became worse.
    """
    from lab import report
    from lab.cli import scenario_tables
    from lab.report.session import runs_folder

    runs = [report.load(report.find(runs_folder(), which, of=report.Kind.RUN)) for which in (before, after)]
    found = report.compare(*runs)
    scenario_tables.differences(out(), found, as_json=as_json)
    if any(difference.worse for difference in found):
        raise typer.Exit(1)
