"""The outputs in walkthrough pages: what commands printed and what checks observed, by stack and step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lab.base.redaction import redact
from lab.scenario.observation import Outcome
from lab.scenario.results import Report

_MAX_LINES = 30
_MAX_CHARS = 160
_OUTPUT = re.compile(r"<!-- output (?P<name>[\w./-]+) -->\n```text\n(?P<text>.*?)\n```\n<!-- end -->", re.DOTALL)

Outputs = Mapping[str, str]
"""`STACK.STEP` or `STACK.STEP.CHECK` → text; and `STACK.run` → a description of the run."""
RUN = "run"


def of_page(text: str) -> Outputs:
    """Return the outputs in a page."""
    return {match["name"]: match["text"] for match in _OUTPUT.finditer(text)}


def of_report(report: Report) -> Mapping[str, Outputs]:
    """Return the outputs of a report's scenarios, by scenario; only of those that passed."""
    by_scenario: dict[str, dict[str, str]] = {}
    stack = report.lab.stack
    for run in report.scenarios:
        if run.outcome is not Outcome.PASSED or run.sabotage is not None:
            continue
        outputs = by_scenario.setdefault(run.name, {f"{stack}.{RUN}": f"{stack}, {report.started_at[:10]}"})
        for step in run.steps:
            if printed := _short(step.output):
                outputs[f"{stack}.{step.name}"] = printed
            for check in step.checks:
                if check.observed:
                    outputs[f"{stack}.{step.name}.{check.name}"] = redact(check.observed)
    return by_scenario


def block(name: str, text: str) -> Iterator[str]:
    """Yield the lines of an output in a page."""
    # A fence inside would end the block early.
    yield from (f"<!-- output {name} -->", "```text", text.replace("```", "'''"), "```", "<!-- end -->", "")


def _short(transcript: str) -> str:
    """Return the printed lines of a transcript, without the commands, which the page shows above them."""
    home = f"{Path.home()}/"
    printed = [line.rstrip().replace(home, "~/") for line in transcript.splitlines() if not line.startswith("$ ")]
    lines = [line if len(line) <= _MAX_CHARS else f"{line[: _MAX_CHARS - 1]}…" for line in printed]
    if len(lines) > _MAX_LINES:
        lines = [*lines[: _MAX_LINES - 1], f"… {len(lines) - _MAX_LINES + 1} more lines"]
    return "\n".join(lines).strip("\n")
