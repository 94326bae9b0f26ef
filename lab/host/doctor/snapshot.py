"""Snapshot of the host: the input of all checks, read once."""

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
    """A listening TCP socket. `process` and `pid` are None if this user may not see them."""

    ip: str
    port: int
    process: str | None = None
    pid: int | None = None


@dataclass(frozen=True)
class HostProbes:
    """Probes of the host beyond files and commands; tests pass their own."""

    def listeners(self) -> Iterable[Listener]:
        """Yield the listening TCP sockets that this user may see."""
        for end in psutil.net_connections(kind="tcp"):
            if end.status == psutil.CONN_LISTEN and end.laddr:
                name = None
                with contextlib.suppress(psutil.Error):
                    name = psutil.Process(end.pid).name() if end.pid else None
                yield Listener(ip=end.laddr.ip, port=end.laddr.port, process=name, pid=end.pid)

    def port_is_free(self, ip: str, port: int) -> bool:
        """Whether a program could listen on this address and port now."""
        with socket.socket() as probe:
            # Ignore connections of a server that has just ended; on Linux a running server still makes bind() fail.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ip, port))
            except PermissionError:
                return True  # a privileged port: the engine may still bind it
            except OSError:
                return False
        return True

    def memory_available_bytes(self) -> int:
        """Return how much memory programs can get without swapping."""
        return psutil.virtual_memory().available

    def disk(self, folder: Path) -> tuple[int, int]:
        """Return the device that a folder is or will be on, and its free bytes for this user."""
        existing = next(f for f in (folder, *folder.parents) if f.exists())
        return existing.stat().st_dev, shutil.disk_usage(existing).free

    def interfaces(self) -> Sequence[tuple[str, IPv4Interface]]:
        """Return the machine's IPv4 addresses with their networks, by interface."""
        by_interface = psutil.net_if_addrs()
        return [
            (name, IPv4Interface(f"{address.address}/{address.netmask}"))
            for name, addresses in by_interface.items()
            for address in addresses
            if address.family == socket.AF_INET and address.netmask
        ]

    def reaches(self, url: str) -> bool:
        """Whether a server answers at this URL, with any HTTP status; uses the environment's proxy."""
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
    """The lab's configuration and the state of the host. Without an engine, `containers` and `networks` are empty."""

    spec: LabSpec
    paths: Paths
    artifacts_ready: bool
    builds: bool
    """Whether artifacts must be built from package registries."""
    registries: tuple[str, ...]
    machine: Machine
    docker: Docker
    probes: HostProbes = field(default_factory=HostProbes)
    state: EngineState = EngineState.ABSENT
    engine: Engine | None = None
    containers: Sequence[Container] = ()
    networks: Sequence[Network] = ()

    @property
    def engine_is_here(self) -> bool:
        """Whether the engine runs on this machine, so that this machine's limits apply to it."""
        return self.engine is not None and self.machine.pid("/run/docker.pid", "dockerd") is not None

    @property
    def knows_containers(self) -> bool:
        """Whether `containers` and `networks` are all that may run: not if an engine runs and does not answer."""
        return self.engine is not None or self.state in {EngineState.STOPPED, EngineState.ABSENT}

    @property
    def own_networks(self) -> frozenset[str]:
        """Names of this lab's networks."""
        return frozenset(network.name for network in self.networks if self._identity.owns_network(network))

    def is_own(self, container: Container) -> bool:
        """Whether a container is a node of this lab."""
        same_name = [network for network in self.networks if network.labels.get(LAB_LABEL) == self.spec.name]
        return self._identity.owns_node(container, same_name, self._mark_of)

    def home_of(self, container: Container) -> str:
        """Return the user, machine and state folder of a node's lab; empty if the node is not a lab's."""
        homes = [n.labels.get(ownership.HOME_LABEL, "") for n in self.networks if n.name in container.networks]
        return next(filter(None, homes), "") or str(self._mark_of(container.name).get("home", ""))

    def _mark_of(self, node: str) -> Mapping[str, object]:
        return ownership.read_mark(self.docker.read_file(node, ownership.MARK))

    @property
    def _identity(self) -> ownership.LabIdentity:
        return ownership.LabIdentity.of(self.spec.name, self.paths)

    @property
    def own_nodes(self) -> tuple[Container, ...]:
        """The containers that are this lab's nodes."""
        return tuple(container for container in self.containers if self.is_own(container))


def look(
    spec: LabSpec,
    paths: Paths,
    *,
    artifacts_ready: bool = False,
    builds: bool = True,
    registries: Iterable[str] = (),
    machine: Machine,
    docker: Docker,
    probes: HostProbes,
) -> HostSnapshot:
    """Take a snapshot of the host."""
    state = observe(machine, docker)
    snapshot = HostSnapshot(
        spec=spec,
        paths=paths,
        artifacts_ready=artifacts_ready,
        builds=builds and not artifacts_ready,
        registries=tuple(registries),
        machine=machine,
        docker=docker,
        probes=probes,
        state=state,
    )
    if state is not EngineState.ANSWERS:
        return snapshot
    with contextlib.suppress(LabError):  # the engine stopped just now: return the snapshot without an engine
        return HostSnapshot(
            **{name: getattr(snapshot, name) for name in snapshot.__dataclass_fields__}
            | {"engine": docker.info(), "containers": docker.containers(), "networks": docker.networks()}
        )
    return snapshot
