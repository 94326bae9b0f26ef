"""Show what the lab finds in existing clusters, and ask before it writes anything into them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from lab import stacks
from lab.base.errors import LabError, UsageError
from lab.cli import tables
from lab.cli.output import err
from lab.clusters.existing import preflight
from lab.clusters.existing.preflight import Preflight
from lab.lab import Lab


def look(lab: Lab) -> list[Preflight]:
    """Look at the existing clusters that the lab has not adopted; nothing is changed."""
    return preflight.every(lab, stacks.current(lab).footprint)


def ask(lab: Lab, agreed: Sequence[str]) -> None:
    """Look at existing clusters, print what was found, and ask for each whether the lab may install into it.

    Args:
        lab: the lab.
        agreed: the contexts that the command line names.

    Raises:
        LabError: something prevents the lab, or the answer is another one than the context's name.
        UsageError: the command line names an unknown context; or standard input is not a terminal, and the command line
            does not name a context.
    """
    contexts = {str(lab.spec.clusters[name].context) for name in lab.spec.existing}
    if unknown := [name for name in agreed if name not in contexts]:
        known = ", ".join(sorted(contexts)) or "none: lab.toml has no existing cluster"
        raise UsageError(f"--yes-really {unknown[0]}: lab.toml has no such context", next=f"known: {known}")
    found = look(lab)
    if not found:
        return
    for one in found:
        tables.preflight(err(), one)
    preflight.refuse(found)
    for one in found:
        if one.context not in agreed:
            _ask(one)


def _ask(one: Preflight) -> None:
    what = f"the lab installs into the existing cluster {one.context} ({one.server})"
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(
            f"{what}; it cannot ask, because standard input is not a terminal",
            next=f"lab up --yes-really {one.context}",
            where=one.cluster,
        )
    typer.echo(f"{what}; `lab down` removes exactly what it installs.", err=True)
    answer = typer.prompt("Type the name of the context to continue", default="", show_default=False, err=True)
    if answer.strip() != one.context:
        raise LabError("another name was typed; nothing was changed", where=one.cluster, next="lab up")
