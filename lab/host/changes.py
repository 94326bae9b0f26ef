"""Changes to this machine: show the whole list, ask once, then make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Confirm = Callable[[str], bool]
"""Asks the user; True means yes. With None instead, the lab shows the changes and makes them without asking."""


@dataclass(frozen=True, kw_only=True)
class MachineChange:
    """One change to this machine: packages, a service, a kernel parameter, the engine's runtime."""

    what: str
    why: str
    command: str
    """The shell command that makes the change."""
    undo: str
    """The shell command that undoes the change."""
    apply: Callable[[], str] = field(repr=False)
    """Makes the change and returns a message; empty if nothing was left to do."""


def make(changes: Sequence[MachineChange], *, confirm: Confirm | None, say: Callable[[str], None]) -> bool:
    """Show all changes, ask once, and make them; return False if the user declines.

    Raises:
        HostError: a change failed; the changes before it stay.
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
