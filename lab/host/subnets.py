"""Choose the nodes' subnet: avoid the networks that this machine uses or routes to.

| on this machine | effect on the nodes' subnet |
| --- | --- |
| a Docker network, an interface's network, a cluster's pod or Service CIDR | excluded |
| a route into the subnet with the same or a longer prefix | excluded |
| a route over it with a shorter prefix, such as a VPN's 172.16.0.0/12 | avoided if possible |
| a route with a prefix up to /7, such as a full tunnel's two /1 | no effect |

A shorter prefix does not exclude a subnet: the route to the nodes' bridge has the longer prefix, so it wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from lab.config import LabSpec
from lab.tools.docker_records import Network

RANGE = IPv4Network("172.30.0.0/16")
"""The lab chooses a subnet from this range if lab.toml does not name one."""
ROUTES = "/proc/net/route"
_WORLD_PREFIX = 7
"""A route with this prefix length or a shorter one leads to the whole Internet, not to a private network."""

Use = tuple[IPv4Network, str]


@dataclass(frozen=True, kw_only=True)
class Subnets:
    """Networks that conflict with a subnet: `taken` excludes it, `routed` are routes to other networks."""

    taken: tuple[Use, ...]
    routed: tuple[Use, ...]

    def taker(self, subnet: IPv4Network) -> str | None:
        """Return the network or route that excludes a subnet; None if the subnet is free."""
        narrow = [(net, what) for net, what in self.routed if net.prefixlen >= subnet.prefixlen]
        return next((what for net, what in (*self.taken, *narrow) if net.overlaps(subnet)), None)

    def hidden(self, subnet: IPv4Network) -> str | None:
        """Return the route to another network that a subnet would partly hide; None if there is none."""
        wide = [(n, what) for n, what in self.routed if _WORLD_PREFIX < n.prefixlen < subnet.prefixlen]
        return next((what for net, what in wide if net.overlaps(subnet)), None)

    def free(self) -> Iterator[IPv4Network]:
        """Yield the free subnets of RANGE; subnets without a route over them come first."""
        free = [subnet for subnet in RANGE.subnets(new_prefix=24) if self.taker(subnet) is None]
        yield from sorted(free, key=lambda subnet: self.hidden(subnet) is not None)


def used(
    spec: LabSpec, networks: Iterable[Network], interfaces: Iterable[tuple[str, IPv4Interface]], routes: str
) -> Subnets:
    """Return the networks that conflict with a subnet for the nodes.

    Args:
        spec: the lab's configuration.
        networks: the engine's networks.
        interfaces: this machine's addresses with their networks, by interface.
        routes: the text of /proc/net/route; empty if it does not exist.
    """
    taken = [(subnet, f"the Docker network {network.name!r}") for network in networks for subnet in network.subnets]
    for name, cluster in spec.clusters.items():
        taken.append((cluster.pod_cidr, f"clusters.{name}.pod_cidr"))
        taken.append((cluster.service_cidr, f"clusters.{name}.service_cidr"))
    own = [
        (interface.network, f"this machine's network {interface.network} ({name})")
        for name, interface in interfaces
        if interface.network.prefixlen < 31  # a tunnel's end is not a network of neighbours
    ]
    return Subnets(taken=(*taken, *own), routed=tuple(_routes(routes)))


def _routes(table: str) -> Iterator[Use]:
    """Read the kernel's routes (proc(5), /proc/net/route: addresses in host byte order, hexadecimal)."""
    for line in table.splitlines()[1:]:
        device, destination, *rest = line.split()
        mask = IPv4Address(int.from_bytes(bytes.fromhex(rest[5]), "little"))
        address = IPv4Address(int.from_bytes(bytes.fromhex(destination), "little"))
        network = IPv4Network(f"{address}/{mask}", strict=False)
        if network.prefixlen > 0:
            yield network, f"a route of this machine ({network} by {device})"
