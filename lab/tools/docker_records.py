"""Records of an engine's objects at one moment, and functions that read them.

Most functions read python-on-whales' inspect results, in which every field may be None. `read_engine` reads the JSON of
`docker info`: python-on-whales' model leaves out the cgroup version, the image store and the client's context.
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
    name: str = ""
    """The host name of the engine's machine."""
    kernel: str = ""
    cgroup_version: str = ""
    """"1" or "2"."""
    controllers: frozenset[str] = frozenset()
    """The cgroup controllers that the engine can limit containers with: cpu, cpuset, memory, pids."""
    containerd_store: bool = False
    """Whether containerd stores the images; the classic store is the engine's own."""
    labels: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    """The proxies of the engine itself, for pulls."""
    context: str = ""
    """The Docker context of the client that asked."""
    is_podman: bool = False
    """Whether the `docker` command is Podman's own."""

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


_CONTROLLERS = {"cpu": "CPUShares", "cpuset": "CPUSet", "memory": "MemoryLimit", "pids": "PidsLimit"}
"""The engine reports for each controller whether it can use it (moby, `pkg/sysinfo`)."""


def read_engine(info: Mapping[str, Any]) -> Engine:
    """Read the JSON of `docker info`; also Podman's, whose `docker` command prints another document."""
    podman = "host" in info and "ServerVersion" not in info
    version = info.get("version") or {}
    store = {key: value for key, value, *_ in info.get("DriverStatus") or () if key}
    return Engine(
        version=str(version.get("Version", "")) if podman else info.get("ServerVersion") or "",
        operating_system=info.get("OperatingSystem") or "",
        architecture=info.get("Architecture") or "",
        root_dir=Path(info.get("DockerRootDir") or "/var/lib/docker"),
        storage_driver=info.get("Driver") or "",
        cgroup_driver=info.get("CgroupDriver") or "",
        memory_bytes=info.get("MemTotal") or 0,
        cpus=info.get("NCPU") or 0,
        default_runtime=info.get("DefaultRuntime") or "",
        security_options=tuple(info.get("SecurityOptions") or ()),
        ipv4_forwarding=info.get("IPv4Forwarding") is not False,
        warnings=tuple(info.get("Warnings") or ()),
        name=info.get("Name") or "",
        kernel=info.get("KernelVersion") or "",
        cgroup_version=str(info.get("CgroupVersion") or ""),
        controllers=frozenset(name for name, key in _CONTROLLERS.items() if info.get(key)),
        containerd_store=store.get("driver-type", "").startswith("io.containerd.snapshotter"),
        labels=tuple(info.get("Labels") or ()),
        proxies=tuple(filter(None, (info.get("HttpProxy"), info.get("HttpsProxy")))),
        context=(info.get("ClientInfo") or {}).get("Context") or "",
        is_podman=podman,
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
