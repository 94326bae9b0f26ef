"""The doctor: check this machine and report a fix for each problem.

`run` changes nothing and takes about a second. `changes` plans the fixes that the lab can make; `lab.host.changes`
makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lab.base.concurrency import Threads
from lab.base.paths import Paths
from lab.config import LabSpec
from lab.host import engine as engines
from lab.host.changes import MachineChange
from lab.host.doctor import credentials, engine, environment, kernel, network, proxies, resources, rootless, sources
from lab.host.doctor.findings import Finding, Verdict, warn
from lab.host.doctor.needs import NOTHING, ArtifactNeeds
from lab.host.doctor.snapshot import HostProbes, HostSnapshot, look
from lab.host.machine import Machine
from lab.host.sandbox.runtime import Runtime
from lab.tools.docker import Docker

__all__ = ["Finding", "HostProbes", "HostSnapshot", "Verdict", "changes", "failures", "run", "warnings"]

Check = Callable[[HostSnapshot], Iterable[Finding]]
_SOURCES: tuple[Check, ...] = (
    network.check_vpn,
    proxies.check_proxies,
    sources.check_packages,
    sources.check_registries,
    credentials.check_credentials,
    sources.check_tools,
)
"""What builds and pulls need of networks, registries and programs."""
CHECKS: tuple[Check, ...] = (
    sources.check_user,
    engine.check_engine,
    engine.check_privileges,
    rootless.check_rootless,
    environment.check_folders,
    environment.check_environment,
    kernel.check_cgroups,
    kernel.check_inotify,
    kernel.check_forwarding,
    resources.check_architecture,
    resources.check_memory,
    resources.check_processors,
    resources.check_disk,
    network.check_ports,
    network.check_low_ports,
    network.check_localhost,
    network.check_names,
    network.check_addresses,
    *_SOURCES,
)
"""What `lab up` needs, in the order in which the findings are shown."""
ARTIFACT_CHECKS: tuple[Check, ...] = (
    sources.check_user,
    engine.check_engine,
    environment.check_folders,
    environment.check_environment,
    resources.check_architecture,
    resources.check_build_memory,
    resources.check_artifact_disk,
    *_SOURCES,
)
"""What builds and pulls need: no ports, names, addresses and kernel settings, which are the nodes'."""


def run(
    spec: LabSpec,
    paths: Paths,
    *,
    needs: ArtifactNeeds = NOTHING,
    machine: Machine | None = None,
    docker: Docker | None = None,
    probes: HostProbes | None = None,
    checks: Sequence[Check] = CHECKS,
) -> list[Finding]:
    """Run all checks and return their findings, in the order of `checks`.

    Args:
        spec: the lab's configuration.
        paths: the lab's folders.
        needs: the artifacts that must be built or fetched first.
        machine: the machine to check.
        docker: the client of its engine.
        probes: read ports, memory, disks and networks.
        checks: the checks to run.
    """
    snapshot = look(
        spec,
        paths,
        needs=needs,
        machine=machine or Machine(),
        docker=docker or Docker(),
        probes=probes or HostProbes(),
    )
    with Threads(len(checks)) as threads:
        return [finding for found in threads.map(lambda check: _isolated(check, snapshot), checks) for finding in found]


def _isolated(check: Check, snapshot: HostSnapshot) -> list[Finding]:
    """Run one check; if it raises an exception, the findings of the others are still shown."""
    try:
        return list(check(snapshot))
    except Exception as error:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        observed = f"could not be checked: {type(error).__name__}: {error}"
        return [
            warn(
                name,
                observed,
                "the lab may fail later for the same reason",
                fix="please report this with `lab version`",
            )
        ]


def failures(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that stop `lab up`."""
    return [finding for finding in findings if finding.verdict is Verdict.FAIL]


def warnings(findings: Iterable[Finding]) -> list[Finding]:
    """Return the warnings, which do not stop `lab up`."""
    return [finding for finding in findings if finding.verdict is Verdict.WARN]


def changes(
    findings: Iterable[Finding],
    *,
    clusters: bool = True,
    machine: Machine | None = None,
    docker: Docker | None = None,
) -> list[MachineChange]:
    """Plan the fixes that the lab can make, in the order in which they must be made.

    Args:
        findings: from `run`; findings that are not fixable are skipped.
        clusters: whether clusters will be created: an engine that was just started may need the lab's runtime for them.
        machine: the machine to change.
        docker: the client of its engine.
    """
    machine, docker = machine or Machine(), docker or Docker()
    planned = [c for finding in findings if finding.fixable for c in _CHANGES[finding.name](finding, machine, docker)]
    runtime = Runtime(machine=machine, docker=docker)
    starts = any(finding.fixable and finding.name == "engine" for finding in findings)
    # Only a running engine shows whether privileged containers start: plan the runtime, and try it after the start.
    return [*planned, runtime.change()] if clusters and starts and runtime.may_be_needed else planned


def _bring_up(_: Finding, machine: Machine, docker: Docker) -> list[MachineChange]:
    return engines.changes(engines.observe(machine, docker), machine, docker)


_CHANGES: dict[str, Callable[[Finding, Machine, Docker], list[MachineChange]]] = {
    "engine": _bring_up,
    "privileges": lambda _, machine, docker: [Runtime(machine=machine, docker=docker).change()],
    "inotify": lambda finding, machine, _: [kernel.change(finding, machine, kernel.INOTIFY)],
    "forwarding": lambda finding, machine, _: [kernel.change(finding, machine, kernel.FORWARDING)],
    "image tools": lambda finding, machine, _: [sources.change(finding, machine)],
}
