"""The mark and the style of each outcome on a terminal."""

from __future__ import annotations

from lab.scenario.observation import Outcome

MARKS = {
    Outcome.PASSED: ("✓", "green"),
    Outcome.FAILED: ("✗", "bold red"),
    Outcome.ERRORED: ("!", "bold yellow"),
    Outcome.SKIPPED: ("-", "dim"),
}
