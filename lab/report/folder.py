"""Runs on disk: one folder each, `runs/<id>/`, with report.json, junit.xml, report.html and the evidence."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab.base.errors import UsageError
from lab.report import html, junit
from lab.report.codec import ReportError, from_json, to_json
from lab.scenario.results import Report

REPORT = "report.json"


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
        # Two runs may begin in the same second, and ids are read aloud: a short random end.
        path = runs / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        path.mkdir(parents=True)
        return cls(path=path)

    def write(self, report: Report) -> None:
        """Write the report in its three forms; report.json last, so that where it is, the others are too."""
        (self.path / "junit.xml").write_text(junit.render(report), encoding="utf-8")
        (self.path / "report.html").write_text(html.render(report), encoding="utf-8")
        text = json.dumps(to_json(report), indent=1, ensure_ascii=False)
        (self.path / REPORT).write_text(text, encoding="utf-8")


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
