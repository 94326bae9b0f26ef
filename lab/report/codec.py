"""Report ↔ JSON, by the types of `lab.scenario.results`: a field that is added there needs no code here."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any

from lab.base.errors import LabError
from lab.scenario.results import SCHEMA, Report


class ReportError(LabError):
    """A report cannot be read."""


def to_json(report: Report) -> dict[str, Any]:
    """Return the report as a JSON document."""
    document = _encode(report)
    assert isinstance(document, dict)  # noqa: S101 - a record becomes an object
    return document


def from_json(document: Any) -> Report:
    """Read a report back.

    Raises:
        ReportError: it is none, or one of another schema.
    """
    schema = document.get("schema") if isinstance(document, Mapping) else None
    if schema != SCHEMA:
        raise ReportError(f"this is a report of schema {schema!r}, not {SCHEMA!r}", next="lab run, to write a new one")
    try:
        report = _decode(Report, document)
    except (KeyError, TypeError, ValueError) as error:
        raise ReportError(f"the report is damaged: {type(error).__name__}: {error}") from error
    assert isinstance(report, Report)  # noqa: S101 - _decode returns the requested type
    return report


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _encode(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value


def _decode(kind: Any, value: Any) -> Any:  # noqa: PLR0911 - one per kind of type
    if kind is Any:
        return value
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {types.UnionType, typing.Union}:
        return None if value is None else _decode(next(a for a in arguments if a is not type(None)), value)
    if origin is tuple:
        return tuple(_decode(arguments[0], inner) for inner in value)
    if origin is collections.abc.Mapping:
        return {key: _decode(arguments[1], inner) for key, inner in value.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        # A field that this version does not know belongs to a newer writer of the same schema: leave it out.
        return kind(
            **{f.name: _decode(hints[f.name], value[f.name]) for f in dataclasses.fields(kind) if f.name in value}
        )
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is float and isinstance(value, int):
        return float(value)
    if not isinstance(value, kind):
        raise TypeError(f"{str(value)[:60]!r} is no {kind.__name__}")
    return value
