"""Find out where the engine runs that the docker command uses."""

from __future__ import annotations

import platform
import socket

import psutil

from lab.host.machine import Machine
from lab.host.products import ClientFacts, EngineOrigin, recognise
from lab.tools.docker import Docker, Engine


def client_of(machine: Machine) -> ClientFacts:
    """Return the facts by which an engine on this machine is recognised."""
    return ClientFacts(
        system=machine.system,
        hostname=socket.gethostname(),
        kernel=platform.release(),
        memory_bytes=psutil.virtual_memory().total,
    )


def origin_of(docker: Docker, machine: Machine, engine: Engine | None = None) -> EngineOrigin:
    """Return the origin of the engine.

    Args:
        docker: the engine.
        machine: this machine.
        engine: the answer of `docker info`, if it is known already.
    """
    engine = engine or docker.info()
    if engine.is_podman:  # its `docker` command knows neither Docker's components nor contexts
        return recognise(engine, (), machine.environ.get("DOCKER_HOST", ""), client_of(machine))
    return recognise(engine, docker.components(), docker.endpoint(), client_of(machine))
