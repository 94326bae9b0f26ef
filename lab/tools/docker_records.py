"""Records of an engine's objects at one moment, and functions that read them.

The functions read python-on-whales' inspect results, in which every field may be None.
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
    """Version, settings and resources of an engine. `memory_bytes` is its machine's; Docker Desktop's is a VM."""

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
    """A published TCP port: `host_ip:host_port` forwards to the container's `port`. The lab publishes only TCP."""

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


def read_engine(info: Any) -> Engine:
    """Read a SystemInfo."""
    return Engine(
        version=info.server_version,
        operating_system=info.operating_system or "",
        architecture=info.architecture or "",
        root_dir=info.docker_root_dir or Path("/var/lib/docker"),
        storage_driver=info.driver or "",
        cgroup_driver=info.cgroup_driver or "",
        memory_bytes=info.mem_total or 0,
        cpus=info.n_cpu or 0,
        default_runtime=info.default_runtime or "",
        security_options=tuple(info.security_options or ()),
        ipv4_forwarding=info.ipv4_forwarding is not False,
        warnings=tuple(info.warnings or ()),
    )


def read_container(info: Any) -> Container:
    """Read a ContainerInspectResult."""
    networks = {name: _address(end.ip_address) for name, end in (info.network_settings.networks or {}).items()}
    # A running container's actual ports override the requested ones: the engine may have chosen them.
    chosen = {inner: bindings for inner, bindings in (info.network_settings.ports or {}).items() if bindings}
    published = (info.host_config.port_bindings or {}) | chosen
    return Container(
        id=info.id,
        name=info.name.lstrip("/"),
        image=info.config.image or "",
        status=info.state.status,
        exit_code=info.state.exit_code or 0,
        pid=info.state.pid or 0,
        labels=info.config.labels or {},
        networks=networks,
        ports=tuple(port for inner, bindings in published.items() for port in _ports(inner, bindings or ())),
        restart_policy=(info.host_config.restart_policy and info.host_config.restart_policy.name) or "no",
        runtime=info.host_config.runtime or "",
        started_at=info.state.started_at,
    )


def _ports(inner: str, bindings: Any) -> tuple[PublishedPort, ...]:
    number_inside, _, protocol = inner.partition("/")
    if protocol != "tcp":
        return ()
    # Bindings in HostConfig (of stopped containers) are objects; in NetworkSettings (running ones) dictionaries.
    pairs = [(b["HostIp"], b["HostPort"]) if isinstance(b, dict) else (b.host_ip, b.host_port) for b in bindings]
    return tuple(
        PublishedPort(host_ip=ip or "0.0.0.0", host_port=int(number), port=int(number_inside))  # noqa: S104
        for ip, number in pairs
        if number
    )


def read_network(info: Any) -> Network:
    """Read a NetworkInspectResult."""
    pools = [pool.get("Subnet", "") for pool in (info.ipam.config or ())] if info.ipam else []
    return Network(
        id=info.id,
        name=info.name,
        driver=info.driver or "",
        labels=info.labels or {},
        subnets=tuple(IPv4Network(pool) for pool in pools if pool and ":" not in pool),
        containers={end.name: _address(end.ipv4_address) for end in (info.containers or {}).values()},
        options={key: str(value) for key, value in (info.options or {}).items()},
    )


def read_image(info: Any) -> Image:
    """Read an ImageInspectResult."""
    return Image(
        id=info.id,
        tags=tuple(info.repo_tags or ()),
        digests=tuple(info.repo_digests or ()),
        labels=(info.config and info.config.labels) or {},
        architecture=info.architecture or "",
        size_bytes=info.size or 0,
        entrypoint=tuple((info.config and info.config.entrypoint) or ()),
        command=tuple((info.config and info.config.cmd) or ()),
    )


def _address(text: str | None) -> IPv4Address | None:
    return IPv4Address(text.partition("/")[0]) if text else None
