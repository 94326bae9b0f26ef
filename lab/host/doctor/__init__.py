"""The doctor: what this machine lacks for a lab, each finding with its fix.

`run` only looks, and takes about a second. `changes` plans what the lab may do by itself; `lab.host.changes` does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lab.base.concurrency import Threads
from lab.base.paths import Paths
from lab.config import LabSpec
from lab.host import engine as engines
from lab.host.changes import MachineChange
from lab.host.doctor import engine, environment, kernel, network, resources, sources
from lab.host.doctor.findings import Finding, Verdict, warn
from lab.host.doctor.snapshot import HostProbes, HostSnapshot, look
from lab.host.machine import Machine
from lab.host.sandbox.runtime import Runtime
from lab.tools.docker import Docker

__all__ = ["Finding", "Scene", "Senses", "Verdict", "changes", "failures", "run", "warnings"]

Check = Callable[[HostSnapshot], Iterable[Finding]]
CHECKS: tuple[Check, ...] = (
    engine.check_engine,
    engine.check_privileges,
    environment.check_environment,
    kernel.check_cgroups,
    kernel.check_inotify,
    kernel.check_forwarding,
    resources.check_architecture,
    resources.check_memory,
    resources.check_disk,
    network.check_ports,
    network.check_names,
    network.check_addresses,
    network.check_proxies,
    sources.check_packages,
    sources.check_registries,
    sources.check_tools,
)


def run(
    spec: LabSpec,
    paths: Paths,
    *,
    artifacts_ready: bool = False,
    registries: Iterable[str] = (),
    machine: Machine | None = None,
    docker: Docker | None = None,
    senses: HostProbes | None = None,
    checks: Sequence[Check] = CHECKS,
) -> list[Finding]:
    """Look at everything, and return what was found, in the order of CHECKS.

    Args:
        spec: the lab that is wanted.
        paths: where it keeps things.
        artifacts_ready: whether everything that it is built from is there, so that nothing must be built or fetched.
        registries: hosts of the container registries that the `upstream` source would ask.
        machine: where to look.
        docker: the engine to ask.
        senses: how to look at ports, memory, disks and networks.
        checks: what to look at.
    """
    scene = look(
        spec,
        paths,
        artifacts_ready=artifacts_ready,
        registries=registries,
        machine=machine or Machine(),
        docker=docker or Docker(),
        senses=senses or HostProbes(),
    )
    with Threads(len(checks)) as threads:
        return [finding for found in threads.map(lambda check: _isolated(check, scene), checks) for finding in found]


def _isolated(check: Check, scene: HostSnapshot) -> list[Finding]:
    """Run one check; one that breaks must not hide what the others see."""
    try:
        return list(check(scene))
    except Exception as error:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        told = f"could not be checked: {type(error).__name__}: {error}"
        return [warn(name, told, "the lab may run into it later", fix="please report this with `lab version`")]


def failures(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that stop `lab up`."""
    return [finding for finding in findings if finding.verdict is Verdict.FAIL]


def warnings(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that do not, and are worth a word."""
    return [finding for finding in findings if finding.verdict is Verdict.WARN]


def changes(
    findings: Iterable[Finding], *, machine: Machine | None = None, docker: Docker | None = None
) -> list[MachineChange]:
    """Plan what the findings say that the lab can do by itself, in the order in which it has to be done.

    Args:
        findings: from `run`; those that are not fixable are passed over.
        machine: where to do it.
        docker: its engine.
    """
    machine, docker = machine or Machine(), docker or Docker()
    return [c for finding in findings if finding.fixable for c in _CHANGES[finding.name](finding, machine, docker)]


def _bring_up(_: Finding, machine: Machine, docker: Docker) -> list[MachineChange]:
    runtime = Runtime(machine=machine, docker=docker)
    # What an engine that is not up yet may not do cannot be seen now: it is part of the list, and tried then.
    later = [runtime.change()] if runtime.may_be_needed else []
    return [*engines.changes(engines.observe(machine, docker), machine, docker), *later]


_CHANGES: dict[str, Callable[[Finding, Machine, Docker], list[MachineChange]]] = {
    "engine": _bring_up,
    "privileges": lambda _, machine, docker: [Runtime(machine=machine, docker=docker).change()],
    "inotify": lambda finding, machine, _: [kernel.change(finding, machine, kernel.INOTIFY)],
    "forwarding": lambda finding, machine, _: [kernel.change(finding, machine, kernel.FORWARDING)],
    "image tools": lambda finding, machine, _: [sources.change(finding, machine)],
}
