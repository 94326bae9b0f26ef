from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from lab import config
from lab.base.errors import ClusterError, HostError
from lab.base.paths import Paths
from lab.base.step import CHANGED, UNCHANGED, StepResult
from lab.clusters.kind import network as subject
from lab.config import LabSpec
from lab.host.doctor import HostProbes
from lab.host.machine import Machine
from lab.host.ownership import LabIdentity
from tests.unit.clusters.conftest import FakeDocker, network

SPEC = config.parse('name = "dev"')
ME = LabIdentity(name="dev", lab_id="1", paths=Paths(cache=Path("none"), state=Path("none")))


HEADER = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
ROUTE = "tun0\t{:08X}\t00000000\t0001\t0\t0\t0\t{:08X}\t0\t0\t0\n"


@dataclass(frozen=True)
class Interfaces(HostProbes):
    """A machine with these addresses."""

    has: Sequence[tuple[str, IPv4Interface]] = ()

    def interfaces(self) -> Sequence[tuple[str, IPv4Interface]]:
        return self.has


@dataclass
class Networks:
    """Creates the lab's network on a machine with these routes and addresses."""

    docker: FakeDocker
    root: Path

    def ensure(self, spec: LabSpec, *, routes: Sequence[str] = (), addresses: Sequence[str] = ()) -> StepResult:
        def number(address: IPv4Address) -> int:
            return int.from_bytes(address.packed, "little")

        nets = [IPv4Network(route) for route in routes]
        table = HEADER + "".join(ROUTE.format(number(net.network_address), number(net.netmask)) for net in nets)
        (self.root / "proc/net").mkdir(parents=True, exist_ok=True)
        (self.root / "proc/net/route").write_text(table)
        probes = Interfaces(has=[("eth0", IPv4Interface(address)) for address in addresses])
        return subject.ensure(self.docker, spec, ME, machine=Machine(root=self.root), probes=probes)  # type: ignore[arg-type]

    @property
    def subnets(self) -> tuple[IPv4Network, ...]:
        return self.docker.nets["dev"].subnets


@pytest.fixture
def networks(docker: FakeDocker, tmp_path: Path) -> Networks:
    return Networks(docker, tmp_path)


def test_a_network_is_made_once_with_the_labs_labels(docker: FakeDocker, networks: Networks) -> None:
    assert networks.ensure(SPEC) is CHANGED  # type: ignore[arg-type]
    assert networks.ensure(SPEC) is UNCHANGED  # type: ignore[arg-type]
    assert docker.nets["dev"].subnets == (IPv4Network("172.30.0.0/24"),)
    assert docker.nets["dev"].labels["eastwest.lab/lab"] == "dev"


def test_the_first_subnet_that_nobody_uses_is_taken(docker: FakeDocker, networks: Networks) -> None:
    docker.nets["other"] = network("other", "172.30.0.0/23", {})
    networks.ensure(SPEC)
    assert docker.nets["dev"].subnets == (IPv4Network("172.30.2.0/24"),)


def test_a_subnet_in_use_is_an_error_that_names_the_user(docker: FakeDocker, networks: Networks) -> None:
    docker.nets["office"] = network("office", "192.168.7.0/24", {})
    spec = config.parse('name = "dev"\n[network]\nsubnet = "192.168.0.0/16"')
    with pytest.raises(HostError, match="in use by the Docker network 'office'"):
        networks.ensure(spec)
    assert "dev" not in docker.nets


def test_a_network_of_the_same_name_that_is_not_the_labs_is_left_alone(docker: FakeDocker, networks: Networks) -> None:
    docker.nets["dev"] = network("dev", "10.1.0.0/24", {})
    with pytest.raises(ClusterError, match="which is not this lab's; it was not touched"):
        networks.ensure(SPEC)
    assert subject.is_there(docker, ME) is False  # type: ignore[arg-type]


def test_another_subnet_than_before_asks_for_down_first(docker: FakeDocker, networks: Networks) -> None:
    networks.ensure(SPEC)
    spec = config.parse('name = "dev"\n[network]\nsubnet = "192.168.0.0/24"')
    with pytest.raises(ClusterError, match=r"Next: lab down, then lab up"):
        networks.ensure(spec)


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([], "172.30.0.0/24"),
        (["172.16.0.0/12"], "172.30.0.0/24"),
        (["0.0.0.0/1", "128.0.0.0/1"], "172.30.0.0/24"),
        (["172.30.0.0/16"], "172.30.0.0/24"),
        (["172.30.0.0/17"], "172.30.128.0/24"),
        (["172.30.0.0/24", "172.30.1.7/32"], "172.30.2.0/24"),
        (["172.16.0.0/12", "172.30.0.0/24"], "172.30.1.0/24"),
    ],
)
def test_a_wide_route_is_avoided_where_possible_and_refuses_nothing(
    networks: Networks, routes: list[str], expected: str
) -> None:
    assert networks.ensure(SPEC, routes=routes) is CHANGED
    assert networks.subnets == (IPv4Network(expected),)


def test_a_wide_network_that_this_machine_is_in_excludes_a_subnet(networks: Networks) -> None:
    networks.ensure(SPEC, addresses=["172.30.7.1/18", "127.0.0.1/8"], routes=["172.30.0.0/18"])
    assert networks.subnets == (IPv4Network("172.30.64.0/24"),)


def test_where_everything_is_taken_the_error_says_what_to_set(networks: Networks) -> None:
    with pytest.raises(HostError, match=r"no free subnet was found in 172\.30\.0\.0/16") as caught:
        networks.ensure(SPEC, addresses=["172.30.7.1/16"])
    assert "[network] subnet" in (caught.value.next or "")


@pytest.mark.parametrize("mtu", ["1400", None])
def test_the_network_has_the_mtu_of_the_engines_default_network(
    docker: FakeDocker, networks: Networks, mtu: str | None
) -> None:
    options = {"com.docker.network.driver.mtu": mtu} if mtu else {}
    docker.nets["bridge"] = replace(network("bridge", "172.17.0.0/16", {}), options=options)
    networks.ensure(SPEC)
    assert docker.nets["dev"].options == options
