"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How much a finding matters."""

    OK = "ok"
    WARN = "warning"
    """The lab starts; something may be slow or not work later."""
    FAIL = "failure"
    """`lab up` stops here."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing about this machine: what was seen, why it matters, and what to do about it."""

    name: str
    """What was checked: "engine", "port 8080". Not unique: each foreign name is a finding of its own."""
    verdict: Verdict
    observed: str
    why: str
    fix: str | None = None
    """What to type or do; None where nothing needs to be done."""
    fixable: bool = False
    """Whether `lab doctor --fix` does it."""
    undo: str | None = None
    """How to undo the fix."""


def ok(name: str, observed: str, why: str, *, undo: str | None = None) -> Finding:
    """Say that something is as it should be."""
    return Finding(name=name, verdict=Verdict.OK, observed=observed, why=why, undo=undo)


def warn(name: str, observed: str, why: str, *, fix: str, fixable: bool = False) -> Finding:
    """Say that something may bite later."""
    return Finding(name=name, verdict=Verdict.WARN, observed=observed, why=why, fix=fix, fixable=fixable)


def fail(name: str, observed: str, why: str, *, fix: str, fixable: bool = False) -> Finding:
    """Say that the lab cannot start."""
    return Finding(name=name, verdict=Verdict.FAIL, observed=observed, why=why, fix=fix, fixable=fixable)
