"""Runs on disk: one folder each, `runs/<id>/`, with report.json, junit.xml, report.html and the evidence.

A repeat has a folder of its own beside those of its runs, `runs/<id>-repeat/`, with repeat.json, junit.xml and
repeat.html.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab.base.errors import UsageError
from lab.report import html, junit
from lab.report.codec import ReportError, from_json, repeat_to_json, to_json
from lab.report.repetitions import RepeatReport
from lab.scenario.results import Report

REPORT = "report.json"
REPEAT = "repeat.json"


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """The folder of one run. Its name is the run's id and sorts by time."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    @classmethod
    def new(cls, runs: Path) -> RunFolder:
        """Make the folder of a run that begins now."""
        path = runs / _new_id()
        path.mkdir(parents=True)
        return cls(path=path)

    def write(self, report: Report) -> None:
        """Write the report in its three forms; report.json last, so that where it is, the others are too."""
        (self.path / "junit.xml").write_text(junit.render(report), encoding="utf-8")
        (self.path / "report.html").write_text(html.render(report), encoding="utf-8")
        text = json.dumps(to_json(report), indent=1, ensure_ascii=False)
        (self.path / REPORT).write_text(text, encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class RepeatFolder:
    """The folder of a repeat's summary. It is made with the first file: a repeat without any run leaves none."""

    path: Path

    @property
    def id(self) -> str:
        """The repeat's id."""
        return self.path.name

    @property
    def page(self) -> Path:
        """The summary for a browser."""
        return self.path / "repeat.html"

    @classmethod
    def new(cls, runs: Path) -> RepeatFolder:
        """Return the folder of a repeat that begins now."""
        return cls(path=runs / f"{_new_id()}-repeat")

    def write(self, summary: RepeatReport, reports: Sequence[Report]) -> None:
        """Write the summary in its three forms, if there was a run; repeat.json last."""
        if not reports:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "junit.xml").write_text(junit.render_repeat(summary, reports), encoding="utf-8")
        self.page.write_text(html.render_repeat(summary), encoding="utf-8")
        text = json.dumps(repeat_to_json(summary), indent=1, ensure_ascii=False)
        (self.path / REPEAT).write_text(text, encoding="utf-8")


def _new_id() -> str:
    # Two runs may begin in the same second, and ids are read aloud: a short random end.
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def listing(runs: Path) -> tuple[RunFolder, ...]:
    """Return the finished runs, the newest first."""
    return tuple(RunFolder(path=file.parent) for file in sorted(runs.glob(f"*/{REPORT}"), reverse=True))


def find(runs: Path, which: str | None) -> RunFolder:
    """Return the run of an id, of an id's beginning, or the newest one for None.

    Raises:
        UsageError: there is none, or more than one.
    """
    all_runs = listing(runs)
    if which is None:
        if not all_runs:
            raise UsageError(f"there is no report in {runs}", next="lab run")
        return all_runs[0]
    matches = [run for run in all_runs if run.id == which] or [run for run in all_runs if run.id.startswith(which)]
    if len(matches) != 1:
        what = "there is no report" if not matches else f"there are {len(matches)} reports"
        raise UsageError(f"{what} {which!r} in {runs}", next="lab report")
    return matches[0]


def load(run: RunFolder) -> Report:
    """Read a run's report.

    Raises:
        ReportError: the file is not a report of this schema.
    """
    try:
        return from_json(json.loads((run.path / REPORT).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ReportError(f"{run.path / REPORT} cannot be read: {error}") from error
