"""The seconds of each step of the last rehearsal, by stack, and how a presentation compares with them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.base.files import write_atomic
from lab.base.names import Json
from lab.base.paths import Paths

SCHEMA = "eastwest.lab/rehearsal/v1"
_MOST_S = 24 * 3600.0


def file_of(paths: Paths) -> Path:
    """Return the file with a lab's rehearsal times."""
    return paths.state / "rehearsal.json"


def times(file: Path, stack: str) -> dict[str, float]:
    """Return the seconds of each step (`scenario/step`) in the last rehearsal on a stack; empty without one."""
    found = _read(file).get(stack, {})
    return {str(step): float(value) for step, value in found.items() if _is_time(value)}


def keep(file: Path, stack: str, seconds: Mapping[str, float]) -> None:
    """Keep the seconds of steps that were rehearsed on a stack; other steps keep theirs.

    Raises:
        OSError: the file cannot be written.
    """
    known = _read(file)
    rounded = {step: round(value, 2) for step, value in seconds.items() if _is_time(value)}
    known[stack] = {**known.get(stack, {}), **rounded}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, json.dumps({"schema": SCHEMA, "stacks": known}, indent=1))


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How a presentation compares with its rehearsal: both in seconds, of the same steps.

    `ahead_s` is negative for a presentation that is late.
    """

    elapsed_s: float
    rehearsed_s: float
    left_s: float

    @property
    def ahead_s(self) -> float:
        """Seconds by which the presentation is earlier than the rehearsal."""
        return self.rehearsed_s - self.elapsed_s


def pace(rehearsed: Mapping[str, float], steps: Sequence[str], *, done: int, elapsed_s: float) -> Pace | None:
    """Compare a presentation with its rehearsal.

    Args:
        rehearsed: seconds of each step.
        steps: the steps in order.
        done: how many of them are over.
        elapsed_s: seconds since the presentation began.

    Returns:
        The comparison; None if a step was not rehearsed.
    """
    if not steps or any(step not in rehearsed for step in steps):
        return None
    seconds = [rehearsed[step] for step in steps]
    return Pace(elapsed_s=elapsed_s, rehearsed_s=sum(seconds[:done]), left_s=sum(seconds[done:]))


def _read(file: Path) -> dict[str, dict[str, Json]]:
    """Return the times by stack; what cannot be read counts as never rehearsed."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            return {}
        return {str(stack): dict(steps) for stack, steps in dict(document["stacks"]).items()}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _is_time(value: Json) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= _MOST_S
