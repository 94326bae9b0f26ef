"""What `lab up` does about the machine before it does anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lab.base import events
from lab.base.errors import HostError
from lab.base.paths import Paths
from lab.config import LabSpec
from lab.host import changes
from lab.host import doctor as checks
from lab.host.changes import Confirm
from lab.host.doctor import Finding
from lab.host.machine import Machine
from lab.tools.docker import Docker


def prepare(
    spec: LabSpec,
    paths: Paths,
    *,
    install: bool = True,
    confirm: Confirm | None = None,
    say: Callable[[str], None] = events.progress,
    artifacts_ready: bool = False,
    registries: Iterable[str] = (),
    machine: Machine | None = None,
    docker: Docker | None = None,
) -> list[Finding]:
    """Compare the machine with the lab's needs, make the changes that the person agrees to, and return the findings.

    A failure that the lab cannot fix stops it before anything is changed, also what it could. What fails only later,
    too few inotify instances for instance, is fixed as well where it may be, and else stays a warning.

    Args:
        spec: the lab that is wanted.
        paths: where it keeps things.
        install: whether this machine may be changed at all.
        confirm: asks the person once, for all changes; None where nobody is there to ask.
        say: is told all changes before the first is made, and what was done.
        artifacts_ready: as for `checks.run`.
        registries: as for `checks.run`.
        machine: where to look.
        docker: the engine to ask.

    Raises:
        HostError: with every failure and its fix.
    """
    registries = tuple(registries)

    def look() -> list[Finding]:
        return checks.run(
            spec, paths, artifacts_ready=artifacts_ready, registries=registries, machine=machine, docker=docker
        )

    findings = look()
    failures = checks.failures(findings)
    if failures and not (install and all(finding.fixable for finding in failures)):
        raise not_ready(failures, changed=False)
    planned = checks.changes((*failures, *checks.warnings(findings)), machine=machine, docker=docker) if install else []
    if not planned:
        return findings
    if not changes.make(planned, confirm=confirm, say=say):
        if failures:
            raise not_ready(failures, changed=False)
        return findings
    findings = look()
    if failures := checks.failures(findings):
        raise not_ready(failures, changed=True)
    return findings


def not_ready(failures: list[Finding], *, changed: bool) -> HostError:
    """Return the error that lists failures with their fixes."""
    lines = "".join(f"\n  {f.name}: {f.observed} ({f.why})\n    fix: {f.fix}" for f in failures)
    nothing = "" if changed else "; nothing was changed"
    only = failures[0].fix if len(failures) == 1 else None
    return HostError(f"this machine is not ready for the lab{nothing}{lines}\n ", next=only or "lab doctor --fix")
