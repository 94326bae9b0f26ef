"""One line for each report: of a run, of a repeat, of a load, or of a stage."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.base.errors import LabError
from lab.report.codec import from_json
from lab.report.folder import Kept, Kind
from lab.scenario.results import summary


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What a report says in one line.

    `mode` is "run", "sabotage", "repeat", "load" or "stage"; `exit_code` is that of the command that wrote the report,
    and None if the report cannot be read.
    """

    id: str
    mode: str
    what: str
    result: str
    exit_code: int | None
    duration_s: float
    path: Path


def overview(kept: Kept) -> Overview:
    """Read a report and return its line; a damaged report is named as such."""
    try:
        document = json.loads(kept.source.read_text(encoding="utf-8"))
        mode, what, result, code = _facts(kept.kind, document)
        duration_s = float(document["duration_s"])
    except (OSError, ValueError, LookupError, TypeError, LabError) as error:
        mode, what, duration_s, code = kept.kind.value, "", 0.0, None
        result = f"cannot be read: {error}"
    return Overview(
        id=kept.id, mode=mode, what=what, result=result, exit_code=code, duration_s=duration_s, path=kept.path
    )


def _facts(kind: Kind, document: Any) -> tuple[str, str, str, int]:
    """Return mode, subject, result and exit code."""
    if kind is Kind.LOAD:
        command = document["command"]
        what = document["target"] + (f" -- {command['text']}" if command else "")
        result = f"{document['sent']} sent, {document['lost']} lost"
        return "load", what, result, (command and command["exit_code"]) or 0
    if kind is Kind.REPEAT:
        names = ", ".join(dict.fromkeys(check["scenario"] for check in document["checks"]))
        return "repeat", names, f"{document['passed']} of {len(document['runs'])} runs passed", document["exit_code"]
    if kind is Kind.STAGE:
        return "stage", f"{document['lab']}, {document['title']}", *_stage_result(document)
    report = from_json(document)
    names = ", ".join(dict.fromkeys(scenario.name for scenario in report.scenarios))
    return report.mode, names, summary(report.counts), report.exit_code


def _stage_result(document: Any) -> tuple[str, int]:
    """Return the result of a stage's recording, and 0: what was recorded can be played."""
    steps = document["steps"]
    if steps is None:
        return "still runs, or was killed", 0
    red = f", {steps['red']} red" if steps["red"] else ""
    stopped = "" if document["complete"] else "; the recording stopped earlier"
    return f"{steps['ran']} of {steps['all']} steps, {steps['green']} green{red}{stopped}", 0
