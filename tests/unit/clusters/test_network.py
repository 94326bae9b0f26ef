from ipaddress import IPv4Network

import pytest

from lab import config
from lab.base.errors import ClusterError, HostError
from lab.base.step import CHANGED, UNCHANGED
from lab.clusters.kind import network as subject
from tests.unit.clusters.conftest import FakeDocker, network

SPEC = config.parse('name = "dev"')


@pytest.fixture(autouse=True)
def no_routes(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(subject, "_ROUTES", tmp_path / "none")  # type: ignore[operator]


def test_a_network_is_made_once_with_the_labs_labels(docker: FakeDocker) -> None:
    assert subject.ensure(docker, SPEC) is CHANGED  # type: ignore[arg-type]
    assert subject.ensure(docker, SPEC) is UNCHANGED  # type: ignore[arg-type]
    assert docker.nets["dev"].subnets == (IPv4Network("172.30.0.0/24"),)
    assert docker.nets["dev"].labels["eastwest.lab/lab"] == "dev"


def test_the_first_subnet_that_nobody_uses_is_taken(docker: FakeDocker) -> None:
    docker.nets["other"] = network("other", "172.30.0.0/23", {})
    subject.ensure(docker, SPEC)  # type: ignore[arg-type]
    assert docker.nets["dev"].subnets == (IPv4Network("172.30.2.0/24"),)


def test_a_subnet_in_use_is_an_error_that_names_the_user(docker: FakeDocker) -> None:
    docker.nets["office"] = network("office", "192.168.7.0/24", {})
    spec = config.parse('name = "dev"\n[network]\nsubnet = "192.168.0.0/16"')
    with pytest.raises(HostError, match="in use by the Docker network 'office'"):
        subject.ensure(docker, spec)  # type: ignore[arg-type]
    assert "dev" not in docker.nets


def test_a_network_of_the_same_name_that_is_not_the_labs_is_left_alone(docker: FakeDocker) -> None:
    docker.nets["dev"] = network("dev", "10.1.0.0/24", {})
    with pytest.raises(ClusterError, match="not the lab's; it was not touched"):
        subject.ensure(docker, SPEC)  # type: ignore[arg-type]
    assert subject.is_there(docker, SPEC) is False  # type: ignore[arg-type]


def test_another_subnet_than_before_asks_for_down_first(docker: FakeDocker) -> None:
    subject.ensure(docker, SPEC)  # type: ignore[arg-type]
    spec = config.parse('name = "dev"\n[network]\nsubnet = "192.168.0.0/24"')
    with pytest.raises(ClusterError, match=r"Next: lab down, then lab up"):
        subject.ensure(docker, spec)  # type: ignore[arg-type]


def test_routes_are_read_as_the_kernel_writes_them() -> None:
    table = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "tun0\t00001EAC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert [net for net, _ in subject._routes(table)] == [IPv4Network("172.30.0.0/16")]
