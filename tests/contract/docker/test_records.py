"""What Docker Engine 20.10.24 said (`docker inspect`, `docker network inspect`, `docker info`), read into records."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from python_on_whales.components.container.models import ContainerInspectResult
from python_on_whales.components.network.models import NetworkInspectResult

from lab.tools.docker_records import PublishedPort, read_container, read_engine, read_network

RECORDED = Path(__file__).with_name("recorded")
PORTS = {
    PublishedPort(host_ip="127.0.0.1", host_port=18099, port=80),
    PublishedPort(host_ip="0.0.0.0", host_port=18098, port=81),  # noqa: S104 - what an empty address means
}


def said(name: str) -> Any:
    found = json.loads((RECORDED / name).read_text())
    return found[0] if isinstance(found, list) else found


@pytest.mark.parametrize(("state", "address"), [("running", IPv4Address("10.223.99.2")), ("stopped", None)])
def test_a_container(state: str, address: IPv4Address | None) -> None:
    found = read_container(ContainerInspectResult(**said(f"container-{state}.json")))
    assert found.name == "ew-rec"
    assert found.running is (state == "running")
    assert found.networks == {"ew-rec": address}
    # A running container's list also has the IPv6 half of what is published everywhere.
    assert {port for port in found.ports if port.host_ip != "::"} == PORTS, "TCP only, and while it is stopped too"
    assert found.labels["io.x-k8s.io.kind.cluster"] == "rec-east"
    assert found.restart_policy == "unless-stopped"
    assert bool(found.pid) is found.running


def test_a_network() -> None:
    found = read_network(NetworkInspectResult(**said("network.json")))
    assert found.subnets == (IPv4Network("10.223.99.0/28"),)
    assert found.containers == {"ew-rec": IPv4Address("10.223.99.2")}
    assert found.labels == {"eastwest.lab/lab": "rec"}


def test_an_engine() -> None:
    found = read_engine(said("info.json"))
    assert found.version.startswith("20.10.24")
    assert found.root_dir == Path("/var/lib/docker")
    assert found.default_runtime == "runc"
    assert found.ipv4_forwarding
    assert not found.rootless
    assert (found.cgroup_version, found.containerd_store) == ("1", False)
    assert found.controllers == {"cpu", "cpuset", "memory", "pids"}
