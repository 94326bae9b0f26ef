"""The walkthrough pages in docs/walkthrough: written from the step model, with the output of a real run.

`nox -s walkthrough` runs this module as a program. Outputs differ from run to run, so a page keeps them between two
comments. A new page takes them from the new run, or from the old page if the run has none. Everything else comes from
the step model: `drift` shows the differences.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lab.base.errors import LabError, UsageError
from lab.base.paths import PROJECT
from lab.report.folder import find, load
from lab.report.session import runs_folder
from lab.scenario.model import Arrow, Scenario, ScenarioStep, Topology
from lab.scenario.observation import Outcome
from lab.scenario.registry import folder as scenario_folder
from lab.scenario.registry import registry
from lab.scenario.rendering import documented
from lab.scenario.results import Report

INDEX = "README.md"
_MAX_LINES = 30
_OUTPUT = re.compile(r"<!-- output (?P<name>[\w./-]+) -->\n```text\n(?P<text>.*?)\n```\n<!-- end -->", re.DOTALL)

Outputs = Mapping[str, str]
"""What steps printed and checks saw: `step` or `step.check` → text; and `RUN` → which run it was."""
RUN = "run"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or with `--check` compare them with the steps; return the exit code."""
    parser = argparse.ArgumentParser(prog="nox -s walkthrough --", description="Write docs/walkthrough.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the pages differ")
    parser.add_argument(
        "--from", dest="run", metavar="RUN", help="take this run's output; default: keep the pages' own"
    )
    options = parser.parse_args(arguments)
    try:
        return _main(check=options.check, run=options.run)
    except LabError as error:
        print(f"error: {error.what}\nnext:  {error.next}", file=sys.stderr)
        return error.exit_code


def _main(*, check: bool, run: str | None) -> int:
    if not (PROJECT / "docs").is_dir():
        raise UsageError("the walkthrough pages are in the project's repository", next="run this in a checkout")
    folder, scenarios = PROJECT / "docs" / "walkthrough", registry(documented("linkerd", scenario_folder())).pick([])
    if check:
        difference = drift(folder, scenarios)
        if difference:
            print(f"{difference}docs/walkthrough differs from the steps\nnext:  nox -s walkthrough", file=sys.stderr)
        return 1 if difference else 0
    for file in write(folder, scenarios, load(find(runs_folder(), run)) if run else None):
        print(f"✓ {file.relative_to(PROJECT)}")
    return 0


def page_name(scenario: Scenario) -> str:
    """Return the file name of a scenario's page."""
    return f"{scenario.name.replace('_', '-')}.md"


def render(scenario: Scenario, outputs: Outputs) -> str:
    """Return a scenario's page."""
    return "\n".join(_page(scenario, outputs)).rstrip() + "\n"


def render_index(scenarios: Sequence[Scenario]) -> str:
    """Return the page that lists the others."""
    lines = [
        "# Walkthrough",
        "",
        "`nox -s walkthrough` writes these pages from the steps that `lab run` checks and `lab walk` presents. The",
        (
            "outputs are from a real run. To type the commands yourself: "
            "`lab up`, then `export KUBECONFIG=$(lab kubeconfig)`."
        ),
        "",
        "| act | scenario | claim |",
        "| --- | --- | --- |",
        *(f"| {s.act} | [{s.title}]({page_name(s)}) | {s.claim} |" for s in scenarios),
    ]
    return "\n".join(lines) + "\n"


def outputs_of_page(text: str) -> Outputs:
    """Return the outputs that a page holds."""
    return {match["name"]: match["text"] for match in _OUTPUT.finditer(text)}


def outputs_of_run(report: Report) -> Mapping[str, Outputs]:
    """Return the outputs of a report's scenarios, by scenario; only of those that passed."""
    by_scenario: dict[str, dict[str, str]] = {}
    for run in report.scenarios:
        if run.outcome is not Outcome.PASSED or run.sabotage is not None:
            continue
        outputs = by_scenario.setdefault(run.name, {RUN: _which(report)})
        for step in run.steps:
            if step.output.strip():
                outputs[step.name] = _short(step.output)
            outputs.update({f"{step.name}.{check.name}": check.observed for check in step.checks if check.observed})
    return by_scenario


def write(folder: Path, scenarios: Sequence[Scenario], report: Report | None) -> tuple[Path, ...]:
    """Write the pages; outputs of `report` where it has them, else those that the pages hold already."""
    new = outputs_of_run(report) if report else {}
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for scenario in scenarios:
        file = folder / page_name(scenario)
        kept = outputs_of_page(file.read_text(encoding="utf-8")) if file.exists() else {}
        file.write_text(render(scenario, {**kept, **new.get(scenario.name, {})}), encoding="utf-8")
        files.append(file)
    (folder / INDEX).write_text(render_index(scenarios), encoding="utf-8")
    return (*files, folder / INDEX)


def drift(folder: Path, scenarios: Sequence[Scenario]) -> str:
    """Return a unified diff from the committed pages to what the model says; empty where they agree."""
    wanted: dict[str, str] = {INDEX: render_index(scenarios)}
    for scenario in scenarios:
        file = folder / page_name(scenario)
        kept = outputs_of_page(file.read_text(encoding="utf-8")) if file.exists() else {}
        wanted[file.name] = render(scenario, kept)
    known = {file.name for file in folder.glob("*.md")} if folder.exists() else set()
    return "".join(
        line
        for name in sorted(known | set(wanted))
        for line in difflib.unified_diff(
            (folder / name).read_text(encoding="utf-8").splitlines(keepends=True) if name in known else [],
            wanted.get(name, "").splitlines(keepends=True),
            f"{name} (committed)",
            f"{name} (from the steps)",
        )
    )


def _page(scenario: Scenario, outputs: Outputs) -> Iterator[str]:
    yield f"# {scenario.title}"
    yield ""
    yield f"**{scenario.claim}.** Proven by `lab run {scenario.name}`, presented by `lab walk {scenario.name}`."
    yield ""
    yield from _mermaid(scenario.topology)
    for number, step in enumerate(scenario.steps, start=1):
        yield from _step(number, step, outputs)
    yield "## What you saw"
    yield ""
    yield scenario.saw
    yield ""
    yield "## What to try"
    yield ""
    yield from (f"- {line}" for line in scenario.try_next)
    yield ""
    yield "## How to undo"
    yield ""
    if typed := [step.undo_script for step in reversed(scenario.steps) if step.undo_script]:
        yield "```sh"
        yield from typed
        yield "```"
        yield ""
    yield "`lab reset` brings the whole lab back to its known state."
    if RUN in outputs:
        yield ""
        yield "The outputs above are from"
        yield ""
        yield from _output(RUN, outputs[RUN])


def _step(number: int, step: ScenarioStep, outputs: Outputs) -> Iterator[str]:
    yield f"## {number}. {step.title}"
    yield ""
    yield step.narration
    yield ""
    if step.full_only:
        yield "*Part of the full set: `lab run --full`.*"
        yield ""
    if step.script:
        yield "```sh"
        yield step.script
        yield "```"
        yield ""
    if step.name in outputs:
        yield from _output(step.name, outputs[step.name])
    for check in step.checks:
        yield f"**Check:** {check.claim}. Expected: {check.expected}."
        yield ""
        if (name := f"{step.name}.{check.name}") in outputs:
            yield from _output(name, outputs[name])
    if step.sabotage:
        yield f"*Would it notice? {step.sabotage.title}: then `{step.sabotage.fails}` fails (`lab run --sabotage`).*"
        yield ""


def _output(name: str, text: str) -> Iterator[str]:
    # A fence inside would end the block early.
    yield from (f"<!-- output {name} -->", "```text", text.replace("```", "'''"), "```", "<!-- end -->", "")


def _which(report: Report) -> str:
    return f"lab run on the {report.lab.stack} stack, {report.started_at[:10]}"


def _short(text: str) -> str:
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    if len(lines) > _MAX_LINES:
        lines = [*lines[: _MAX_LINES - 1], f"… {len(lines) - _MAX_LINES + 1} more lines"]
    return "\n".join(lines)


def _mermaid(topology: Topology) -> Iterator[str]:
    ids = {
        f"{node.cluster}/{service}": f"{node.cluster}{number}".replace("-", "")
        for node in topology.nodes
        for number, service in enumerate(node.services)
    }
    yield "```mermaid"
    yield "flowchart LR"
    for node in topology.nodes:
        yield f'  subgraph {node.cluster} ["{node.role} ({node.cluster})"]'
        yield from (f'    {ids[f"{node.cluster}/{service}"]}["{service}"]' for service in node.services)
        yield "  end"
    yield from (f"  {ids[a.source]} {_line(a)} {ids[a.target]}" for a in topology.arrows)
    yield "```"
    yield ""


def _line(arrow: Arrow) -> str:
    label = f'|"{arrow.label}"|' if arrow.label else ""
    return f"{'-->' if arrow.allowed else '-.-x'}{label}"


if __name__ == "__main__":
    sys.exit(main())
