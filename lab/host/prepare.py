"""Prepare the machine for `lab up`: check it, and make the changes that the user agrees to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.base import events
from lab.base.errors import HostError
from lab.base.paths import Paths
from lab.config import LabSpec
from lab.host import changes
from lab.host import doctor as checks
from lab.host.changes import Confirm
from lab.host.doctor import Finding
from lab.host.doctor.needs import NOTHING, ArtifactNeeds
from lab.host.machine import Machine
from lab.tools.docker import Docker


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The doctor's findings about a machine that is ready, and whether the lab changed the machine."""

    findings: list[Finding]
    changed: bool


def prepare(
    spec: LabSpec,
    paths: Paths,
    *,
    install: bool = True,
    confirm: Confirm | None = None,
    say: Callable[[str], None] = events.progress,
    needs: ArtifactNeeds = NOTHING,
    clusters: bool = True,
    machine: Machine | None = None,
    docker: Docker | None = None,
) -> Prepared:
    """Check the machine, and make the changes that the user agrees to.

    If the lab cannot fix one of the failures, it changes nothing and raises an error. Fixable warnings, such as low
    inotify limits, are fixed together with the failures; without permission they stay warnings.

    Args:
        spec: the lab's configuration.
        paths: the lab's folders.
        install: whether the lab may change this machine.
        confirm: asks the user once, for all changes; None to make them without asking.
        say: prints all changes before the first one is made, and the result of each.
        needs: as for `doctor.run`.
        clusters: whether clusters will be created; without them, only what builds and pulls need is checked.
        machine: the machine to check and change.
        docker: the client of its engine.

    Raises:
        HostError: failures are left; the error lists each with its fix.
    """
    wanted = checks.CHECKS if clusters else checks.ARTIFACT_CHECKS

    def check() -> list[Finding]:
        return checks.run(spec, paths, needs=needs, machine=machine, docker=docker, checks=wanted)

    findings = check()
    failures = checks.failures(findings)
    if failures and not (install and all(finding.fixable for finding in failures)):
        raise not_ready(failures, changed=False)
    fixable = (*failures, *checks.warnings(findings))
    planned = checks.changes(fixable, clusters=clusters, machine=machine, docker=docker) if install else []
    if not planned:
        return Prepared(findings=findings, changed=False)
    if not changes.make(planned, confirm=confirm, say=say):
        if failures:
            raise not_ready(failures, changed=False)
        return Prepared(findings=findings, changed=False)
    findings = check()
    if failures := checks.failures(findings):
        raise not_ready(failures, changed=True)
    return Prepared(findings=findings, changed=True)


def not_ready(failures: list[Finding], *, changed: bool) -> HostError:
    """Return the error that lists failures with their fixes."""
    lines = "".join(f"\n  {f.name}: {f.observed} ({f.why})\n    fix: {f.fix}" for f in failures)
    unchanged = "" if changed else "; nothing was changed"
    first = next((finding for finding in failures if not finding.fixable or len(failures) == 1), None)
    return HostError(
        f"this machine is not ready for the lab{unchanged}{lines}\n ", next=first.fix if first else "lab doctor --fix"
    )
