"""Reports on disk: one folder each.

| folder | of | files |
| --- | --- | --- |
| `runs/<id>/` | a run | report.json, junit.xml, report.html, the evidence |
| `runs/<id>-repeat/` | a repeat, beside the folders of its runs | repeat.json, junit.xml, repeat.html |
| `runs/<id>/` | a load | load.json, load.html |
| `runs/<id>/` | a stage's recording | stage.json, events, consoles, the page's stream (lab/stage/recording) |
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from lab.base.errors import UsageError
from lab.report import html, junit
from lab.report.codec import ReportError, from_json, repeat_to_json, to_json
from lab.report.repetitions import RepeatReport
from lab.scenario.results import Report

REPORT = "report.json"
REPEAT = "repeat.json"
LOAD = "load.json"
STAGE = "stage.json"


class Kind(Enum):
    """What a report is about."""

    RUN = "run"
    REPEAT = "repeat"
    LOAD = "load"
    STAGE = "stage"


_FILES = {REPORT: Kind.RUN, REPEAT: Kind.REPEAT, LOAD: Kind.LOAD, STAGE: Kind.STAGE}
"""The file that is written last, and so says that a report is complete; of a stage's recording, the first one."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A complete report on disk; `source` is its JSON file."""

    kind: Kind
    source: Path

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.source.parent

    @property
    def id(self) -> str:
        """Its id."""
        return self.path.name

    @property
    def page(self) -> Path:
        """Its page for a browser."""
        return self.source.with_suffix(".html")


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


def listing(runs: Path) -> tuple[Kept, ...]:
    """Return the complete reports, the newest first."""
    found = (
        Kept(kind=kind, source=folder / name)
        for folder in sorted(runs.glob("*/"), reverse=True)
        for name, kind in _FILES.items()
        if (folder / name).is_file()
    )
    return tuple(found)


def find(runs: Path, which: str | None, *, of: Kind | None = None) -> Kept:
    """Return the report of an id, of an id's beginning, or the newest one for None; with `of`, only of this kind.

    Raises:
        UsageError: there is none, or more than one.
    """
    kept = [one for one in listing(runs) if of in {None, one.kind}]
    if which is None:
        if not kept:
            raise UsageError(f"there is no report in {runs}", next="lab run")
        return kept[0]
    matches = [one for one in kept if one.id == which] or [one for one in kept if which and one.id.startswith(which)]
    if len(matches) != 1:
        kind = f"report of a {of.value}" if of else "report"
        what = f"{len(matches)} reports begin with {which!r}" if matches else f"unknown {kind} {which!r}"
        raise UsageError(f"{what} in {runs}", next="lab report")
    return matches[0]


def load(run: Kept) -> Report:
    """Read a run's report.

    Raises:
        ReportError: the file is not a report of this schema.
    """
    try:
        return from_json(json.loads(run.source.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ReportError(f"{run.source} cannot be read: {error}") from error
