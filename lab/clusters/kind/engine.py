"""Detect limits of the container engine's machine that change how nodes are configured.

They come from `docker info` and from the engine's own process or a short container, never from this process: it may run
on another machine, or with other capabilities than the engine.
"""

from __future__ import annotations

from lab.clusters.kind.config import EngineLimits
from lab.host import engine_facts
from lab.host.machine import Machine
from lab.host.origin import origin_of
from lab.host.sandbox.runtime import Runtime
from lab.tools.docker import Docker


def engine(docker: Docker, image: str, machine: Machine) -> EngineLimits:
    """Return the limits of the engine's machine.

    Args:
        docker: the engine.
        image: the node image, which the engine has.
        machine: this machine.
    """
    info = docker.info()
    return EngineLimits(
        cgroup_v1=info.cgroup_version == "1", may_raise_priority=_may_raise_priority(docker, image, machine)
    )


def _may_raise_priority(docker: Docker, image: str, machine: Machine) -> bool:
    runtime = Runtime(machine=machine, docker=docker)
    if runtime.pid is not None and origin_of(docker, machine).is_service_here:
        return "CAP_SYS_RESOURCE" not in runtime.lacking()
    return engine_facts.of_image(docker, image).may_raise_priority
