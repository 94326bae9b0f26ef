"""Snapshot of the host: the input of all checks, read once."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import psutil

from lab.base.errors import LabError
from lab.base.names import LAB_LABEL
from lab.base.paths import Paths, nearest_existing
from lab.config import LabSpec
from lab.host import engine_facts, ownership
from lab.host.doctor.needs import NOTHING, ArtifactNeeds
from lab.host.engine import PID_FILE, EngineState, observe
from lab.host.engine_facts import EngineFacts
from lab.host.machine import Machine
from lab.host.origin import origin_of
from lab.host.products import EngineOrigin, Product, Site
from lab.tools.docker import Container, Docker, Engine, Network

_REACH_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A listening TCP socket. `process` and `pid` are None if this user may not see them."""

    ip: str
    port: int
    process: str | None = None
    pid: int | None = None


def _tcp_sockets() -> Iterator[tuple[int | None, Any]]:
    """Yield the TCP sockets that this user may see, with the process of each."""
    try:
        yield from ((end.pid, end) for end in psutil.net_connections(kind="tcp"))
    except psutil.AccessDenied:  # macOS shows an ordinary user the sockets of the own processes only
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                yield from ((process.pid, end) for end in process.net_connections(kind="tcp"))


@dataclass(frozen=True)
class HostProbes:
    """Probes of the host beyond files and commands; tests pass their own."""

    def listeners(self) -> Iterable[Listener]:
        """Yield the listening TCP sockets that this user may see."""
        for pid, end in _tcp_sockets():
            if end.status == psutil.CONN_LISTEN and end.laddr:
                name = None
                with contextlib.suppress(psutil.Error):
                    name = psutil.Process(pid).name() if pid else None
                yield Listener(ip=end.laddr.ip, port=end.laddr.port, process=name, pid=pid)

    def port_is_free(self, ip: str, port: int) -> bool:
        """Whether a program could listen on this address and port now; an address that the machine lacks is free."""
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        with socket.socket(family) as client:
            client.settimeout(_REACH_S)
            # On macOS a program may bind an address while another one listens on the wildcard address.
            if client.connect_ex((ip, port)) == 0:
                return False
        with socket.socket(family) as probe:
            # Ignore connections of a server that has just ended; on Linux a running server still makes bind() fail.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if ":" in ip:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((ip, port))
            except OSError as error:
                # A privileged port is refused here, and the engine may still bind it.
                return error.errno != errno.EADDRINUSE
        return True

    def localhost(self) -> Sequence[str]:
        """Return the addresses of the name localhost; empty if it has none."""
        try:
            return [str(found[4][0]) for found in socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)]
        except OSError:
            return []

    def mtus(self) -> Mapping[str, int]:
        """Return the MTU of each interface that is up."""
        return {name: stats.mtu for name, stats in psutil.net_if_stats().items() if stats.isup}

    def memory_available_bytes(self) -> int:
        """Return how much memory programs can get without swapping."""
        return psutil.virtual_memory().available

    def disk(self, folder: Path) -> tuple[int, int]:
        """Return the device that a folder is or will be on, and its free bytes for this user."""
        existing = nearest_existing(folder)
        return existing.stat().st_dev, shutil.disk_usage(existing).free

    def can_write(self, folder: Path) -> bool:
        """Whether this user can write to a folder, or create it."""
        existing = nearest_existing(folder)
        return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)

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
    needs: ArtifactNeeds
    machine: Machine
    docker: Docker
    probes: HostProbes = field(default_factory=HostProbes)
    state: EngineState = EngineState.ABSENT
    engine: Engine | None = None
    origin: EngineOrigin = field(default_factory=EngineOrigin)
    """Where the engine runs; meaningful if there is an engine."""
    facts: EngineFacts | None = None
    """What a node sees of the engine's machine; None where this machine shows it, or where nothing can run."""
    refusal: LabError | None = None
    """Why a container like a node did not start, if the doctor tried."""
    containers: Sequence[Container] = ()
    networks: Sequence[Network] = ()

    @property
    def engine_is_here(self) -> bool:
        """Whether the engine runs on this machine's kernel, so that this machine's limits apply to it."""
        return self.engine is not None and self.origin.site is Site.HERE

    @property
    def engine_is_service_here(self) -> bool:
        """Whether the engine is this machine's own Docker service, whose process the doctor may judge."""
        return self.engine_is_here and self.origin.is_service_here and self.machine.pid(PID_FILE, "dockerd") is not None

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
    needs: ArtifactNeeds = NOTHING,
    machine: Machine,
    docker: Docker,
    probes: HostProbes,
) -> HostSnapshot:
    """Take a snapshot of the host."""
    state = observe(machine, docker)
    snapshot = HostSnapshot(
        spec=spec,
        paths=paths,
        needs=needs,
        machine=machine,
        docker=docker,
        probes=probes,
        state=state,
    )
    if state is not EngineState.ANSWERS:
        return snapshot
    with contextlib.suppress(LabError):  # the engine stopped just now: return the snapshot without an engine
        engine = docker.info()
        seen = replace(snapshot, engine=engine, origin=origin_of(docker, machine, engine))
        if seen.origin.product is Product.PODMAN:  # refused; its answers have other forms
            return seen
        return _with_facts(replace(seen, containers=docker.containers(), networks=docker.networks()))
    return snapshot


def _with_facts(snapshot: HostSnapshot) -> HostSnapshot:
    """Read what `docker info` and this machine do not tell, in a running node or in a short container."""
    origin, docker = snapshot.origin, snapshot.docker
    if origin.site is Site.REMOTE:
        return snapshot  # refused anyway
    if origin.site is Site.HERE and (origin.is_service_here or origin.product is Product.ROOTLESS):
        return snapshot
    node = next((node.name for node in snapshot.own_nodes if node.running), None)
    image = snapshot.needs.node_image
    try:
        if node is not None:
            return replace(snapshot, facts=engine_facts.of_node(docker, node))
        if image is not None:
            return replace(snapshot, facts=engine_facts.of_image(docker, image))
    except LabError as error:
        return replace(snapshot, refusal=error)
    return snapshot
