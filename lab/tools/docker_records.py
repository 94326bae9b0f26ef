"""What the lab keeps of what an engine says: records taken at one moment, and how they are read.

The readers take python-on-whales' inspect results, whose every field may be None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What an engine says of itself. `memory_bytes` is its machine's: on a laptop, a virtual one's."""

    version: str
    operating_system: str
    architecture: str
    root_dir: Path
    storage_driver: str
    cgroup_driver: str
    memory_bytes: int
    cpus: int
    default_runtime: str
    security_options: tuple[str, ...]
    ipv4_forwarding: bool
    warnings: tuple[str, ...]

    @property
    def rootless(self) -> bool:
        """Whether the engine runs without root."""
        return any("name=rootless" in option for option in self.security_options)


@dataclass(frozen=True, kw_only=True)
class PublishedPort:
    """A published TCP port: `host_ip:host_port` leads to the container's `port`. The lab publishes no other kind."""

    host_ip: str
    host_port: int
    port: int


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container at one moment. `networks` maps a network's name to the address there, None while stopped."""

    id: str
    name: str
    image: str
    status: str
    """One of the engine's own words: created, running, paused, restarting, removing, exited, dead."""
    exit_code: int
    pid: int
    labels: Mapping[str, str]
    networks: Mapping[str, IPv4Address | None]
    ports: tuple[PublishedPort, ...]
    restart_policy: str
    runtime: str
    started_at: datetime | None = None
    """When its main process was last started."""

    @property
    def running(self) -> bool:
        """Whether its main process runs."""
        return self.status == "running"


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network at one moment. `containers` maps the names of running containers on it to their addresses."""

    id: str
    name: str
    driver: str
    labels: Mapping[str, str]
    subnets: tuple[IPv4Network, ...]
    containers: Mapping[str, IPv4Address | None]
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image at one moment. `size_bytes` counts all its layers, shared ones too."""

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    labels: Mapping[str, str]
    architecture: str
    size_bytes: int
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


def read_engine(found: Any) -> Engine:
    """Read a SystemInfo."""
    return Engine(
        version=found.server_version,
        operating_system=found.operating_system or "",
        architecture=found.architecture or "",
        root_dir=found.docker_root_dir or Path("/var/lib/docker"),
        storage_driver=found.driver or "",
        cgroup_driver=found.cgroup_driver or "",
        memory_bytes=found.mem_total or 0,
        cpus=found.n_cpu or 0,
        default_runtime=found.default_runtime or "",
        security_options=tuple(found.security_options or ()),
        ipv4_forwarding=found.ipv4_forwarding is not False,
        warnings=tuple(found.warnings or ()),
    )


def read_container(found: Any) -> Container:
    """Read a ContainerInspectResult."""
    networks = {name: _address(end.ip_address) for name, end in (found.network_settings.networks or {}).items()}
    # The requested ports, then the engine's own choice where it had one, which only a running container has.
    chosen = {inner: bindings for inner, bindings in (found.network_settings.ports or {}).items() if bindings}
    published = (found.host_config.port_bindings or {}) | chosen
    return Container(
        id=found.id,
        name=found.name.lstrip("/"),
        image=found.config.image or "",
        status=found.state.status,
        exit_code=found.state.exit_code or 0,
        pid=found.state.pid or 0,
        labels=found.config.labels or {},
        networks=networks,
        ports=tuple(port for inner, bindings in published.items() for port in _ports(inner, bindings or ())),
        restart_policy=(found.host_config.restart_policy and found.host_config.restart_policy.name) or "no",
        runtime=found.host_config.runtime or "",
        started_at=found.state.started_at,
    )


def _ports(inner: str, bindings: Any) -> tuple[PublishedPort, ...]:
    number_inside, _, protocol = inner.partition("/")
    if protocol != "tcp":
        return ()
    # A stopped container has its bindings only in HostConfig, whose model has attributes where a running one's
    # NetworkSettings are plain dictionaries.
    pairs = [(b["HostIp"], b["HostPort"]) if isinstance(b, dict) else (b.host_ip, b.host_port) for b in bindings]
    return tuple(
        PublishedPort(host_ip=ip or "0.0.0.0", host_port=int(number), port=int(number_inside))  # noqa: S104
        for ip, number in pairs
        if number
    )


def read_network(found: Any) -> Network:
    """Read a NetworkInspectResult."""
    pools = [pool.get("Subnet", "") for pool in (found.ipam.config or ())] if found.ipam else []
    return Network(
        id=found.id,
        name=found.name,
        driver=found.driver or "",
        labels=found.labels or {},
        subnets=tuple(IPv4Network(pool) for pool in pools if pool and ":" not in pool),
        containers={end.name: _address(end.ipv4_address) for end in (found.containers or {}).values()},
        options={key: str(value) for key, value in (found.options or {}).items()},
    )


def read_image(found: Any) -> Image:
    """Read an ImageInspectResult."""
    return Image(
        id=found.id,
        tags=tuple(found.repo_tags or ()),
        digests=tuple(found.repo_digests or ()),
        labels=(found.config and found.config.labels) or {},
        architecture=found.architecture or "",
        size_bytes=found.size or 0,
        entrypoint=tuple((found.config and found.config.entrypoint) or ()),
        command=tuple((found.config and found.config.cmd) or ()),
    )


def _address(text: str | None) -> IPv4Address | None:
    return IPv4Address(text.partition("/")[0]) if text else None
