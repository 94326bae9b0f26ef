"""All that the checks look at, taken once."""

from __future__ import annotations

import contextlib
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface
from pathlib import Path

import psutil

from lab.base.errors import LabError
from lab.base.names import LAB_LABEL
from lab.base.paths import Paths
from lab.config import LabSpec
from lab.host import ownership
from lab.host.engine import EngineState, observe
from lab.host.machine import Machine
from lab.tools.docker import Container, Docker, Engine, Network

_REACH_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A program that listens. `process` and `pid` are None where this user may not see them."""

    ip: str
    port: int
    process: str | None = None
    pid: int | None = None


@dataclass(frozen=True)
class HostProbes:
    """Probes of the host beyond files and commands; tests pass their own."""

    def listeners(self) -> Iterable[Listener]:
        """Return every program that listens on TCP, as far as this user may see."""
        for end in psutil.net_connections(kind="tcp"):
            if end.status == psutil.CONN_LISTEN and end.laddr:
                name = None
                with contextlib.suppress(psutil.Error):
                    name = psutil.Process(end.pid).name() if end.pid else None
                yield Listener(ip=end.laddr.ip, port=end.laddr.port, process=name, pid=end.pid)

    def port_is_free(self, ip: str, port: int) -> bool:
        """Whether a program could listen there now."""
        with socket.socket() as probe:
            # Connections of a server that has just ended do not count; on Linux a living one still does.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ip, port))
            except PermissionError:
                return True  # a low port: the engine may have it
            except OSError:
                return False
        return True

    def memory_available_bytes(self) -> int:
        """Return how much memory programs can get without swapping."""
        return psutil.virtual_memory().available

    def disk(self, folder: Path) -> tuple[int, int]:
        """Return the device that a folder is or will be on, and its free bytes for this user."""
        there = next(f for f in (folder, *folder.parents) if f.exists())
        return there.stat().st_dev, shutil.disk_usage(there).free

    def interfaces(self) -> Sequence[tuple[str, IPv4Interface]]:
        """Return the machine's IPv4 addresses with their networks, by interface."""
        found = psutil.net_if_addrs()
        return [
            (name, IPv4Interface(f"{address.address}/{address.netmask}"))
            for name, addresses in found.items()
            for address in addresses
            if address.family == socket.AF_INET and address.netmask
        ]

    def reaches(self, url: str) -> bool:
        """Whether something answers there, whatever it says; through the proxy that the environment names."""
        if not url.startswith(("http://", "https://")):
            return False
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_REACH_S):  # noqa: S310
                return True
        except urllib.error.HTTPError:
            return True
        except (OSError, ValueError):
            return False


@dataclass(frozen=True, kw_only=True)
class HostSnapshot:
    """What the lab wants (`spec`, `paths`, …) and what is there. Without an engine, its parts are empty."""

    spec: LabSpec
    paths: Paths
    artifacts_ready: bool
    registries: tuple[str, ...]
    machine: Machine
    docker: Docker
    senses: HostProbes = field(default_factory=HostProbes)
    state: EngineState = EngineState.ABSENT
    engine: Engine | None = None
    containers: Sequence[Container] = ()
    networks: Sequence[Network] = ()

    @property
    def engine_is_here(self) -> bool:
        """Whether the engine runs on this machine itself, so that the machine's limits are its limits."""
        return self.engine is not None and self.machine.pid("/run/docker.pid", "dockerd") is not None

    @property
    def own_networks(self) -> frozenset[str]:
        """Names of this lab's networks."""
        return frozenset(network.name for network in self.networks if self._identity.owns_network(network))

    def is_own(self, container: Container) -> bool:
        """Whether a container is a node of this lab."""
        of_the_name = [network for network in self.networks if network.labels.get(LAB_LABEL) == self.spec.name]

        return self._identity.owns_node(container, of_the_name, self._mark_of)

    def home_of(self, container: Container) -> str:
        """Return the user, machine and state folder of the lab that a node is of; empty where it is not a lab's."""
        homes = [n.labels.get(ownership.HOME_LABEL, "") for n in self.networks if n.name in container.networks]
        return next(filter(None, homes), "") or str(self._mark_of(container.name).get("home", ""))

    def _mark_of(self, node: str) -> Mapping[str, object]:
        return ownership.read_mark(self.docker.read_file(node, ownership.MARK))

    @property
    def _identity(self) -> ownership.LabIdentity:
        return ownership.LabIdentity.of(self.spec.name, self.paths)

    @property
    def own_nodes(self) -> tuple[Container, ...]:
        """Return this lab's nodes."""
        return tuple(container for container in self.containers if self.is_own(container))


def look(
    spec: LabSpec,
    paths: Paths,
    *,
    artifacts_ready: bool = False,
    registries: Iterable[str] = (),
    machine: Machine,
    docker: Docker,
    senses: HostProbes,
) -> HostSnapshot:
    """Take a scene."""
    state = observe(machine, docker)
    seen = HostSnapshot(
        spec=spec,
        paths=paths,
        artifacts_ready=artifacts_ready,
        registries=tuple(registries),
        machine=machine,
        docker=docker,
        senses=senses,
        state=state,
    )
    if state is not EngineState.ANSWERS:
        return seen
    with contextlib.suppress(LabError):  # it went away just now: the scene is one without an engine
        return HostSnapshot(
            **{name: getattr(seen, name) for name in seen.__dataclass_fields__}
            | {"engine": docker.info(), "containers": docker.containers(), "networks": docker.networks()}
        )
    return seen
