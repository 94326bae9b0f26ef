"""What tests of plans have in common."""

from __future__ import annotations

from collections.abc import Sequence

from lab.base.step import Step


def before(steps: Sequence[Step], name: str) -> set[str]:
    """Return all that has to be done before a step."""
    found = {step.name: step for step in steps}
    needs: set[str] = set()
    left = list(found[name].after)
    while left:
        need = left.pop()
        if need not in needs:
            needs.add(need)
            left += found[need].after
    return needs
