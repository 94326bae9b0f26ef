"""Build and pull artifacts, where some may be unavailable: these are named at once, and the others are obtained."""

from __future__ import annotations

from collections.abc import Sequence

from lab.base.errors import LabError, UnavailableError
from lab.cli import machine, running, tables
from lab.cli.output import out, warn
from lab.lab import Lab
from lab.lifecycle import artifacts


def obtain(
    lab: Lab,
    names: Sequence[str],
    *,
    install: bool,
    yes: bool,
    quiet: bool = False,
    known: UnavailableError | None = None,
) -> None:
    """Build or pull those of some artifacts that are missing here.

    What no source has is named before anything else, with the next command. The others are obtained all the same: the
    next try then needs only the missing ones, and a network that answers now may be gone by then.

    Args:
        lab: the lab, whose lock is held.
        names: the artifacts.
        install: whether the lab may change this machine.
        yes: do not ask.
        quiet: show no progress.
        known: the error that the caller has for the unavailable ones.

    Raises:
        UnavailableError: no source has some of them.
        LabError: this machine is not ready, or a build or a pull failed.
    """
    planned = artifacts.plan_of(lab, names)
    unavailable = known or planned.unavailable
    if unavailable is not None and planned.steps:
        warn(f"{unavailable.what}\n  next: {unavailable.next}\n  the other artifacts are built or pulled now")
    try:
        if planned.steps:
            lab = machine.make_ready(lab, install=install, yes=yes, only=planned.names)
            planned = artifacts.plan_of(lab, names)  # an engine that has just started may have images
        if planned.steps:
            report = running.run(lab, planned.steps, verb="artifacts", quiet=quiet)
            if not quiet:
                tables.pulled(out(), report.pulled)
    except LabError as error:
        if unavailable is None:
            raise
        where = f"{error.where}: " if error.where else ""
        warn(f"the other artifacts were not all built or pulled: {where}{error.what.rstrip()}\n  next: {error.next}")
    if planned.unavailable is not None:
        raise unavailable or planned.unavailable
