"""Check this machine with the doctor, ask the user, and prepare the machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import typer

from lab import stacks
from lab.cli.output import warn
from lab.host import changes, doctor
from lab.host.prepare import prepare
from lab.lab import Lab
from lab.lifecycle import artifacts


def confirm() -> Callable[[str], bool] | None:
    """Return a function that asks the user yes or no; None if standard input is not a terminal."""
    return (lambda question: typer.confirm(question, default=True)) if sys.stdin and sys.stdin.isatty() else None


def findings(lab: Lab) -> list[doctor.Finding]:
    """Run the doctor's checks."""
    return doctor.run(lab.created.spec, lab.paths, needs=artifacts.needs(lab, stacks.current(lab)))


def fix(lab: Lab, *, yes: bool) -> None:
    """Fix what the doctor finds on this machine, after one question."""
    planned = doctor.changes(findings(lab))
    if not planned:
        _say("nothing to do: the lab cannot fix anything on this machine")
    changes.make(planned, confirm=None if yes else confirm(), say=_say)


def make_ready(lab: Lab, *, install: bool, yes: bool, only: Sequence[str] | None = None) -> Lab:
    """Check this machine and fix problems before the lab changes anything else.

    Return the lab to continue with: an engine that has just started can have images that were unavailable before.

    Args:
        lab: the lab.
        install: whether the lab may change this machine.
        yes: do not ask.
        only: artifacts to build and pull, where no clusters are created; None for `lab up`.
    """
    prepared = prepare(
        lab.created.spec,
        lab.paths,
        install=install,
        confirm=None if yes else confirm(),
        say=_say,
        needs=artifacts.needs(lab, stacks.current(lab)) if only is None else artifacts.needs_of(lab, only),
        clusters=only is None,
    )
    for finding in doctor.warnings(prepared.findings):
        warn(f"{finding.name}: {finding.observed}. Fix: {finding.fix}")
    return lab.refreshed() if prepared.changed else lab


def _say(message: str) -> None:
    typer.echo(message, err=True)
