"""Report ↔ JSON, by the types of `lab.scenario.results`: a new field there needs no code here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lab.base.errors import LabError
from lab.report.repetitions import RepeatReport
from lab.scenario.results import READABLE, SCHEMA, Report

_REPORT = TypeAdapter(Report)
_REPEAT = TypeAdapter(RepeatReport)


class ReportError(LabError):
    """A report cannot be read."""


def to_json(report: Report) -> dict[str, Any]:
    """Return the report as a JSON document."""
    document: dict[str, Any] = _REPORT.dump_python(report, mode="json")
    return document


def repeat_to_json(report: RepeatReport) -> dict[str, Any]:
    """Return the summary of a repeat as a JSON document."""
    document: dict[str, Any] = _REPEAT.dump_python(report, mode="json")
    return document


def from_json(document: Any) -> Report:
    """Read a report. A field that this version does not know belongs to a newer writer of the same schema: ignored.

    Raises:
        ReportError: it is not a report, or one of another schema.
    """
    schema = document.get("schema") if isinstance(document, Mapping) else None
    if schema not in READABLE:
        raise ReportError(f"this is a report of schema {schema!r}, not {SCHEMA!r}", next="lab run, to write a new one")
    try:
        return _REPORT.validate_python(document)
    except ValidationError as error:
        first, count = error.errors()[0], error.error_count()
        where = ".".join(str(part) for part in first["loc"])
        raise ReportError(f"the report is damaged: {where}: {first['msg']} (1 of {count} problems)") from error
