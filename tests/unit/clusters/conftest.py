from __future__ import annotations

import json
import platform
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab.base.process import Completed
from lab.clusters.kind.provider import KindProvider
from lab.host.doctor import HostProbes
from lab.host.machine import Machine
from lab.tools.docker_records import Container, Engine, Image, Network, read_engine


@dataclass
class FakeDocker:
    """An engine in memory. A verb that it does not have fails loudly."""

    nodes: dict[str, Container] = field(default_factory=dict)
    nets: dict[str, Network] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    did: list[str] = field(default_factory=list)
    images: str = ""
    engine_images: dict[str, Image] = field(default_factory=dict)
    node_sees: str = "CapBnd:\t000001ffffffffff\n"

    here: bool = False

    def info(self) -> Engine:
        ours = {
            "Name": socket.gethostname(),
            "KernelVersion": platform.release(),
            "MemTotal": psutil.virtual_memory().total,
        }
        return read_engine({"ServerVersion": "20.10.24", "CgroupVersion": "1", **(ours if self.here else {})})

    def components(self) -> tuple[str, ...]:
        return ("Engine",)

    def endpoint(self) -> str:
        return "unix:///var/run/docker.sock"

    def run_once(self, image: str, argv: Sequence[str], *, entrypoint: str, privileged: bool) -> str:
        self.did.append(f"run {image}")
        assert privileged, "a node is privileged, so what it sees is what counts"
        return self.node_sees

    def container(self, name: str) -> Container | None:
        return self.nodes.get(name)

    def containers(
        self, labels: Mapping[str, str | None] | None = None, *, names: Sequence[str] = ()
    ) -> list[Container]:
        nodes = [c for c in self.nodes.values() if not names or c.name in names]
        return [c for c in nodes if all(key in c.labels for key in labels or {})]

    def network(self, name: str) -> Network | None:
        return self.nets.get(name)

    def networks(self, labels: Mapping[str, str | None] | None = None) -> list[Network]:
        return [net for net in self.nets.values() if (labels or {}).items() <= dict(net.labels).items()]

    def create_network(
        self, name: str, *, subnet: IPv4Network, labels: Mapping[str, str], options: Mapping[str, str]
    ) -> None:
        self.nets[name] = replace(network(name, str(subnet), labels), options=options)

    def start(self, name: str) -> None:
        self.did.append(f"start {name}")
        self.nodes[name] = replace(self.nodes[name], status="running")

    def stop(self, name: str, *, grace_s: int = 10) -> None:
        self.did.append(f"stop {name} {grace_s}")
        self.nodes[name] = replace(self.nodes[name], status="exited")

    def pause(self, name: str) -> None:
        self.did.append(f"pause {name}")
        self.nodes[name] = replace(self.nodes[name], status="paused")

    def image(self, reference: str) -> Image | None:
        return self.engine_images.get(reference)

    def argv(self, *words: str) -> list[str]:
        return ["docker", *words]

    def unpause(self, name: str) -> None:
        self.did.append(f"unpause {name}")
        self.nodes[name] = replace(self.nodes[name], status="running")

    def connect(self, network: str, name: str, *, ip: IPv4Address) -> None:
        self.did.append(f"connect {name} {ip}")
        self.nodes[name] = replace(self.nodes[name], networks={network: ip})

    def disconnect(self, network: str, name: str) -> None:
        self.did.append(f"disconnect {name}")
        self.nodes[name] = replace(self.nodes[name], networks={})

    def remove_container(self, name: str) -> bool:
        self.did.append(f"remove {name}")
        return self.nodes.pop(name, None) is not None

    def remove_network(self, name: str) -> bool:
        self.did.append(f"remove network {name}")
        return self.nets.pop(name, None) is not None

    def set_restart_policy(self, name: str, policy: str) -> None:
        self.did.append(f"restart {name} {policy}")

    def weigh(self, name: str, shares: int) -> None:
        self.did.append(f"weigh {name} {shares}")

    def bound_memory(self, name: str, mib: int) -> None:
        self.did.append(f"memory {name} {mib}")

    def save(self, references: Sequence[str], file: Path) -> None:
        self.did.append(f"save {' '.join(references)}")

    def copy_into(self, name: str, file: Path, path: str) -> None:
        self.did.append(f"copy {name} {path}")

    def read_file(self, name: str, path: str) -> str | None:
        return self.files.get(name)

    def execute(self, name: str, argv: Sequence[str], *, input: str | None = None, timeout_s: float = 60) -> Completed:  # noqa: A002
        if argv[0] == "cp":
            self.files[name] = input or ""
            return completed(argv, "")
        self.did.append(f"execute {name} {' '.join(argv)}")
        return completed(argv, self.images)


def completed(argv: Sequence[str], stdout: str) -> Completed:
    return Completed(argv=tuple(argv), returncode=0, stdout=stdout, stderr="", duration_s=0)


def network(name: str, subnet: str, labels: Mapping[str, str]) -> Network:
    return Network(id="n", name=name, driver="bridge", labels=labels, subnets=(IPv4Network(subnet),), containers={})


def container(name: str, **changes: Any) -> Container:
    cluster = name.removesuffix("-control-plane")
    whole = Container(
        id="c",
        name=name,
        image="node",
        status="running",
        exit_code=0,
        pid=1,
        labels={"io.x-k8s.kind.cluster": cluster},
        networks={"dev": IPv4Address("172.30.0.2")},
        ports=(),
        restart_policy="unless-stopped",
        runtime="",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return replace(whole, **changes)


def mark(**changes: Any) -> str:
    whole = {
        "pod_cidr": "10.10.0.0/16",
        "service_cidr": "10.110.0.0/16",
        "ingress_port": 8081,
        "address": "172.30.0.2",
        "memory_mib": None,
        "lab_id": "1",
    }
    return json.dumps({**whole, **changes})


@pytest.fixture
def docker() -> FakeDocker:
    return FakeDocker()


class NoInterfaces(HostProbes):
    """A machine without network interfaces of its own."""

    def interfaces(self) -> list[tuple[str, IPv4Interface]]:
        return []


def provider_of(docker: FakeDocker, root: Path) -> KindProvider:
    """Return kind's clusters on a machine without routes and interfaces, whatever the tests run on."""
    return KindProvider(docker, machine=Machine(root=root / "machine"), probes=NoInterfaces())  # type: ignore[arg-type]
