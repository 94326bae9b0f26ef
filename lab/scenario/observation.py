"""What a check observes, and the outcome of a check, a step or a scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from lab.scenario.context import Context
from lab.scenario.evidence import Evidence


class Outcome(Enum):
    """The result of a check, a step or a scenario."""

    PASSED = "passed"
    FAILED = "failed"
    """The claim is wrong."""
    ERRORED = "errored"
    """The lab failed, so the claim could not be checked."""
    SKIPPED = "skipped"
    """Not checked; the result has the reason."""


class CannotLookError(Exception):
    """This machine cannot make an observation; the check is SKIPPED with the error's text as reason."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a check observed: whether the claim holds, the observation as text, and the evidence.

    `unclear` says why nothing is known about the claim, such as an answer by somebody who was not asked: the check is
    ERRORED with these words.
    """

    holds: bool
    seen: str
    evidence: tuple[Evidence, ...]
    unclear: str = ""


Look = Callable[[Context], Observation]
