"""Changes to this machine: planned as a list, shown as a whole, agreed to with one answer, then made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Confirm = Callable[[str], bool]
"""Asks the person; True is yes. None in its place: nobody is there to ask, and what is shown is done."""


@dataclass(frozen=True, kw_only=True)
class MachineChange:
    """One change to this machine: packages, a service, a kernel parameter, the engine's runtime."""

    what: str
    why: str
    command: str
    """What a person types to make it."""
    undo: str
    """What a person types to take it back."""
    apply: Callable[[], str] = field(repr=False)
    """Makes it and returns what was done; empty where nothing was left to do."""


def make(changes: Sequence[MachineChange], *, confirm: Confirm | None, say: Callable[[str], None]) -> bool:
    """Show all changes, ask once, and make them; False where the person refuses.

    Raises:
        HostError: one could not be made; those before it are made.
    """
    if not changes:
        return True
    count = "1 change" if len(changes) == 1 else f"{len(changes)} changes"
    say(f"The lab needs {count} to this machine:")
    for number, change in enumerate(changes, start=1):
        say(f"  {number}. {change.what} ({change.why})")
        say(f"     command: {change.command}")
        say(f"     undo:    {change.undo}")
    if confirm is not None and not confirm(f"Make {'it' if len(changes) == 1 else 'all of them'}?"):
        return False
    for change in changes:
        if done := change.apply():
            say(f"✓ {done}")
    return True
