"""The doctor's part of commands: look at this machine, ask the person, prepare it."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from lab import stacks
from lab.cli.output import warn
from lab.host import changes, doctor
from lab.host.prepare import prepare
from lab.lab import Lab
from lab.lifecycle import artifacts


def confirm() -> Callable[[str], bool] | None:
    """Return how to ask the person; None where nobody is there."""
    return (lambda question: typer.confirm(question, default=True)) if sys.stdin.isatty() else None


def findings(lab: Lab) -> list[doctor.Finding]:
    """Run the doctor's checks."""
    ready, hosts = artifacts.ready(lab, stacks.current(lab).artifacts(lab)), artifacts.registries(lab)
    return doctor.run(lab.spec, lab.paths, artifacts_ready=ready, registries=hosts)


def fix(lab: Lab, *, yes: bool) -> None:
    """Make the changes to this machine that fix what the doctor finds, after one question."""
    planned = doctor.changes(findings(lab))
    if not planned:
        _say("there is nothing that the lab can fix here by itself")
    changes.make(planned, confirm=None if yes else confirm(), say=_say)


def make_ready(lab: Lab, *, install: bool, yes: bool) -> None:
    """Compare the machine with the lab's needs, and fix what may be fixed, before anything else is changed."""
    found = prepare(
        lab.spec,
        lab.paths,
        install=install,
        confirm=None if yes else confirm(),
        say=_say,
        artifacts_ready=artifacts.ready(lab, stacks.current(lab).artifacts(lab)),
        registries=artifacts.registries(lab),
    )
    for finding in doctor.warnings(found):
        warn(f"{finding.name}: {finding.observed}. Fix: {finding.fix}")


def _say(words: str) -> None:
    typer.echo(words, err=True)
