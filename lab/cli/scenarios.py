"""The verbs about scenarios: run, walk, check, report, reset, walkthrough. `lab.cli.app` takes them in."""

from __future__ import annotations

import json
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import scenarios as all_scenarios
from lab import config, report, stacks
from lab.base.errors import ConfigError, UsageError
from lab.base.paths import PROJECT
from lab.cli import scenario_tables
from lab.cli.scenario_progress import ScenarioConsole, check_line, end
from lab.lab import Lab
from lab.lifecycle import checks, lock, reset
from lab.present.keyboard import read_key
from lab.present.screen import Screen
from lab.present.walk import Place, Walk, check_one
from lab.report import RunFolder, walkthrough
from lab.report.environment import context_of, facts_of, keep_state
from lab.report.session import Session, runs_folder
from lab.scenario.model import Outcome, Scenario
from lab.scenario.runner import ScenarioRunner

report_app = typer.Typer(invoke_without_command=True, help="What earlier runs saw.")
_out = Console(soft_wrap=False)
_INTERRUPTED = 130


def _names(incomplete: str) -> list[str]:
    return [name for name in all_scenarios.REGISTRY.scenarios if name.startswith(incomplete)]


ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", envvar="LAB_CONFIG", help="The lab.toml to use.")]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="[SCENARIO]...", autocompletion=_names, help="Which ones; none: all.")
]
Full = Annotated[bool, typer.Option("--full", help="Also the steps that stop whole clusters.")]
Rate = Annotated[float, typer.Option("--rate", min=1, max=200, help="Requests per second of steady loads.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of text for a person.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (run, walk, check, reset_lab, write_walkthrough):
        name = {"reset_lab": "reset", "write_walkthrough": "walkthrough"}.get(verb.__name__, verb.__name__)
        app.command(name=name)(verb)
    app.add_typer(report_app, name="report")


def run(
    names: Names = None,
    file: ConfigFile = None,
    full: Full = False,
    rate: Rate = 50.0,
    sabotage: Annotated[
        bool, typer.Option("--sabotage", help="Switch each mechanism off: its check must fail.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show the scenarios and run none.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the evidence of what holds, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run scenarios: act, assert with evidence, restore. Writes runs/ID with report.json, junit.xml, report.html."""
    chosen = all_scenarios.REGISTRY.pick(names or [])
    if listed:
        scenario_tables.scenarios(_out, chosen, as_json=as_json)
        return
    lab = lab_of(file)
    view = ScenarioConsole(Console(stderr=as_json, quiet=as_json), verbose=verbose)
    with _held(lab, "lab run"):
        runner = _runner(lab, full=full, rate=rate)
        runner.sink, runner.progress = view.take, view.progress
        session = Session(
            runner=runner,
            facts=facts_of(lab, runner.context.mesh),
            run_folder=RunFolder.new(runs_folder()),
            keep_state=lambda folder: keep_state(runner.context, folder),
        )
        written = session.sabotage(chosen) if sabotage else session.run(chosen)
    if as_json:
        typer.echo(json.dumps(report.to_json(written), indent=1))
    else:
        end(_out, written, str(session.run_folder.path / "report.html"))
    if session.interrupted:
        raise typer.Exit(_INTERRUPTED)
    if written.exit_code:
        raise typer.Exit(written.exit_code)


def walk(
    names: Names = None,
    file: ConfigFile = None,
    full: Full = False,
    auto: Annotated[bool, typer.Option("--auto", help="Press the keys by itself: a rehearsal, or CI.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin at the first step, not where the last walk ended.")
    ] = False,
) -> None:
    """Present the steps one by one: narration, the real command, a key to run it, its checks."""
    chosen = all_scenarios.REGISTRY.pick(_by_act(names or []))
    if not auto and not sys.stdin.isatty():
        raise UsageError("a walk needs a terminal for its keys", next="lab walk --auto")
    lab = lab_of(file)
    place = Place() if auto else Place.read(lab.paths.state / "walk.json")
    if fresh:
        place.forget()
    with _held(lab, "lab walk"):
        keys = None if auto else read_key
        presented = Walk(
            scenarios=chosen,
            runner=_runner(lab, full=full, rate=50.0),
            view=Screen(_out, typed=not auto),
            keys=keys,
            place=place,
        )
        presented.to_end()
    if auto and presented.outcomes & {Outcome.FAILED, Outcome.ERRORED}:
        raise typer.Exit(1 if Outcome.FAILED in presented.outcomes else 3)


def check(
    step: Annotated[
        str | None,
        typer.Argument(metavar="[SCENARIO/STEP]", help="As `lab run --list` shows them; none: upstream's own."),
    ] = None,
    file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Look whether a step's claims hold now, and change nothing; without a step: run upstream's own checks."""
    if step is None:
        lab = lab_of(file)
        found = checks.run(lab)
        scenario_tables.upstream_checks(_out, found, as_json=as_json)
        if any(one.verdict is stacks.Verdict.FAILED for one in found):
            raise typer.Exit(1)
        return
    result = check_one(_runner(lab_of(file), full=True, rate=50.0), all_scenarios.REGISTRY.pick([]), step)
    for one in result.checks:
        _out.print(check_line(one), highlight=False, soft_wrap=True)
    if result.outcome in {Outcome.FAILED, Outcome.ERRORED}:
        raise typer.Exit(1 if result.outcome is Outcome.FAILED else 3)


def reset_lab(file: ConfigFile = None) -> None:
    """Bring the lab back to its known state: what scenarios and hands have changed is taken back."""
    lab = lab_of(file)
    with _held(lab, "lab reset"):
        for line in reset.reset(lab, stacks.mesh(lab)):
            _out.print(f"✓ {line}", highlight=False)
        Place.read(lab.paths.state / "walk.json").forget()


def write_walkthrough(
    look: Annotated[bool, typer.Option("--check", help="Only say whether the pages are what the steps say.")] = False,
    run_id: Annotated[
        str | None, typer.Option("--from", help="The run whose output to take; none: keep what is there.")
    ] = None,
) -> None:
    """Write docs/walkthrough from the step model."""
    folder, chosen = PROJECT / "docs" / "walkthrough", all_scenarios.REGISTRY.pick([])
    if look:
        if difference := walkthrough.drift(folder, chosen):
            typer.echo(difference)
            _out.print("docs/walkthrough is not what the steps say. next: lab walkthrough", style="red")
            raise typer.Exit(1)
        return
    source = report.load(report.find(runs_folder(), run_id)) if run_id else None
    for written in walkthrough.write(folder, chosen, source):
        _out.print(f"✓ {written.relative_to(PROJECT)}", highlight=False)


@report_app.callback()
def report_list(context: typer.Context, as_json: AsJson = False) -> None:
    """List the runs, the newest first."""
    if context.invoked_subcommand is None:
        scenario_tables.runs(_out, report.listing(runs_folder()), as_json=as_json)


@report_app.command(name="open")
def report_open(which: Annotated[str | None, typer.Argument(metavar="[RUN]", help="None: the newest.")] = None) -> None:
    """Open a run's page in a browser, and print where it is."""
    page = report.find(runs_folder(), which).path / "report.html"
    typer.echo(page)
    webbrowser.open(page.as_uri())


@report_app.command(name="diff")
def report_diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE")],
    after: Annotated[str, typer.Argument(metavar="AFTER")],
    as_json: AsJson = False,
) -> None:
    """Compare two runs: outcomes, durations, lost requests, versions. Ends with 1 where something got worse."""
    runs = [report.load(report.find(runs_folder(), which)) for which in (before, after)]
    found = report.compare(*runs)
    scenario_tables.differences(_out, found, as_json=as_json)
    if any(difference.worse for difference in found):
        raise typer.Exit(1)


def cluster_names(incomplete: str) -> list[str]:
    """Return the clusters of the nearest lab.toml that begin so, for shell completion."""
    try:
        return [name for name in config.load(config.find()).clusters if name.startswith(incomplete)]
    except ConfigError:
        return []


def lab_of(file: Path | None) -> Lab:
    """Return the lab that a lab.toml describes."""
    return Lab.of(config.load(file or config.find()))


def _runner(lab: Lab, *, full: bool, rate: float) -> ScenarioRunner:
    return ScenarioRunner(context=context_of(lab, stacks.mesh(lab), full=full, rate_per_s=rate))


@contextmanager
def _held(lab: Lab, command: str) -> Iterator[None]:
    with lock.held(lab.paths, command):
        yield


def _by_act(names: list[str]) -> list[str]:
    """Turn names of acts ("routing", "2") into names of their scenarios; names of scenarios stay."""
    known = all_scenarios.REGISTRY.scenarios
    acts = list(dict.fromkeys(scenario.act for scenario in known.values()))

    def of(name: str) -> list[str]:
        if name in known:
            return [name]
        act = acts[int(name) - 1] if name.isdigit() and 0 < int(name) <= len(acts) else name
        return [s.name for s in known.values() if _is_act(s, act)] or [name]

    return [scenario for name in names for scenario in of(name)]


def _is_act(scenario: Scenario, act: str) -> bool:
    return scenario.act.lower().replace(" ", "-") == act.lower().replace(" ", "-")
