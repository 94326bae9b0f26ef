"""The result of a check: a finding with a verdict and a fix."""

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
    """One finding about this machine: the observation, the reason why it matters, and the fix."""

    name: str
    """The subject: "engine", "port 8080". Not unique: a check can return several findings."""
    verdict: Verdict
    observed: str
    why: str
    fix: str | None = None
    """A command or an instruction; None if nothing needs to be done."""
    fixable: bool = False
    """Whether `lab doctor --fix` can make the fix."""
    undo: str | None = None
    """How to undo the fix."""


def ok(name: str, observed: str, why: str, *, undo: str | None = None) -> Finding:
    """Return a finding without a problem."""
    return Finding(name=name, verdict=Verdict.OK, observed=observed, why=why, undo=undo)


def warn(name: str, observed: str, why: str, *, fix: str, fixable: bool = False) -> Finding:
    """Return a finding about a possible later problem."""
    return Finding(name=name, verdict=Verdict.WARN, observed=observed, why=why, fix=fix, fixable=fixable)


def fail(name: str, observed: str, why: str, *, fix: str, fixable: bool = False) -> Finding:
    """Return a finding that stops `lab up`."""
    return Finding(name=name, verdict=Verdict.FAIL, observed=observed, why=why, fix=fix, fixable=fixable)
