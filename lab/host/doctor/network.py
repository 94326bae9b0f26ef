"""Check ports, names and address ranges for conflicts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lab.host import advice, subnets
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot
from lab.host.ownership import HOME_LABEL, whose
from lab.host.products import Product, Site
from lab.tools.kind import CLUSTER_LABEL

LOOPBACK = "127.0.0.1"
LOOPBACK_V6 = "::1"
_FIRST_USER_PORT = 1024
_ETHERNET = 1500
_MTU = "com.docker.network.driver.mtu"
# Names that the kernels and VPN programs give to tunnels.
_VPN = re.compile(r"(tun|tap|utun|wg|ppp|ipsec|tailscale|zt|nordlynx|proton|gpd|cscotun|CloudflareWARP|wt)\w*\d*$")
_EVERYWHERE = ("0.0.0.0", "::", "127.0.0.1", "::1", "::ffff:127.0.0.1")  # noqa: S104 - to compare with


def check_ports(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that each cluster's ingress port is free or used by this lab.

    Without the engine's answer, the lab's own docker-proxy would look like another program.
    """
    if not snapshot.knows_containers:
        return
    used = {cluster.ingress_port for cluster in snapshot.spec.clusters.values()}
    for name, cluster in snapshot.spec.clusters.items():
        port = cluster.ingress_port
        title, why = f"port {port}", f"{name}'s ingress is published there"
        user = _user_of(snapshot, port)
        if user is None:
            yield ok(title, "free", why)
        elif user == "":
            yield ok(title, "this lab's own", why)
        else:
            other = next(n for n in range(8080, 65536) if n not in used and snapshot.probes.port_is_free(LOOPBACK, n))
            fix = f"stop {user}, or set ingress_port = {other} under [clusters.{name}] in lab.toml"
            yield fail(title, f"in use by {user}", why, fix=fix)


def _user_of(snapshot: HostSnapshot, port: int) -> str | None:
    """Return the program or container that uses a port; None if it is free, empty if this lab uses it."""
    for container in snapshot.containers:
        if container.running and any(p.host_port == port and p.host_ip in _EVERYWHERE for p in container.ports):
            return "" if snapshot.is_own(container) else f"container {container.name}"
    if snapshot.probes.port_is_free(LOOPBACK, port):
        return None
    listeners = [end for end in snapshot.probes.listeners() if end.port == port and end.ip in _EVERYWHERE]
    known = next((end for end in listeners if end.process), None)
    return f"{known.process} (pid {known.pid})" if known else "a program of another user"


def check_names(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that the names of clusters, containers and network are free or this lab's own."""
    name, why = "names", "the lab never touches containers and networks that it did not create"
    if snapshot.engine is None:
        return
    lab = snapshot.spec.name
    rename = "set another `name` in lab.toml, or remove it yourself"
    foreign: list[tuple[str, str]] = []
    for cluster in snapshot.spec.clusters:
        kind_name = f"{lab}-{cluster}"
        for container in snapshot.containers:
            same = container.name.startswith(f"{kind_name}-control-plane")
            if (same or container.labels.get(CLUSTER_LABEL) == kind_name) and not snapshot.is_own(container):
                what = "kind cluster" if CLUSTER_LABEL in container.labels else "container"
                by_hand = f"{rename}: kind delete cluster --name {kind_name}" if what == "kind cluster" else rename
                if owner := snapshot.home_of(container):  # another lab's: not this user's to delete
                    by_hand = "set another `name` in lab.toml"
                foreign.append((f"the {what} {container.name} exists already, and {whose(owner)}", by_hand))
    for network in snapshot.networks:
        if network.name == lab and lab not in snapshot.own_networks:
            owner = network.labels.get(HOME_LABEL, "")
            by_hand = "set another `name` in lab.toml" if owner else f"{rename}: docker network rm {lab}"
            foreign.append((f"the Docker network {lab} exists already, and {whose(owner)}", by_hand))
    for observed, fix in foreign:
        yield fail(name, observed, why, fix=fix)
    if not foreign:
        yield ok(name, "free, or this lab's own", why)


def check_addresses(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that the clusters' address ranges do not overlap with this machine's networks."""
    name, why = "addresses", "if two networks have the same address, only one of them is reachable"
    clashes = list(_clashes(snapshot))
    yield from clashes
    if not clashes:
        yield ok(name, "no overlap with this machine's networks", why)


def _clashes(snapshot: HostSnapshot) -> Iterator[Finding]:
    name = "addresses"
    own = {
        subnet for network in snapshot.networks if network.name in snapshot.own_networks for subnet in network.subnets
    }
    local = {interface: address.network for interface, address in snapshot.probes.interfaces()}
    near = {i: net for i, net in local.items() if net not in own and not net.is_loopback and net.prefixlen < 32}
    if not own and snapshot.knows_containers:
        yield from _nodes_subnet(snapshot)
    for cluster, spec in snapshot.spec.clusters.items():
        for key, cidr in (("pod_cidr", spec.pod_cidr), ("service_cidr", spec.service_cidr)):
            for interface, network in near.items():
                if cidr.overlaps(network):
                    observed = f"{cluster}'s {key} {cidr} overlaps with this machine's {network} ({interface})"
                    fix = f"set another {key} under [clusters.{cluster}] in lab.toml"
                    yield warn(name, observed, f"pods in {cluster} cannot reach that network", fix=fix)


def _nodes_subnet(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that a subnet is free for the nodes' network, if that does not exist yet."""
    name, why, wanted = "addresses", "the nodes need addresses of their own", snapshot.spec.network.subnet
    known = subnets.used(
        snapshot.spec, snapshot.networks, snapshot.probes.interfaces(), snapshot.machine.read(subnets.ROUTES)
    )
    if wanted is not None and (taker := known.taker(wanted)):
        fix = "set another subnet under [network] in lab.toml, or remove that line"
        yield fail(name, f"the nodes' subnet {wanted} overlaps with {taker}", why, fix=fix)
        return
    subnet = wanted or next(known.free(), None)
    if subnet is None:
        fix = "set subnet under [network] in lab.toml to a private network that this machine does not use"
        yield fail(name, f"no subnet in {subnets.RANGE} is free", why, fix=fix)
    elif hidden := known.hidden(subnet):
        fix = f"if you need hosts in {subnet}, set another subnet under [network] in lab.toml"
        yield warn(
            name,
            f"the nodes' subnet {subnet} is a part of {hidden}",
            "hosts in it are unreachable while the lab is up",
            fix=fix,
        )


def check_low_ports(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that the engine may publish ports below 1024, if lab.toml names one."""
    product = snapshot.origin.product
    if snapshot.engine is None or product in {Product.ENGINE, Product.ORBSTACK}:
        return
    say = warn if product is Product.DESKTOP else fail
    for name, cluster in snapshot.spec.clusters.items():
        if (port := cluster.ingress_port) < _FIRST_USER_PORT and not _publishes(snapshot, port):
            why = f"{product.value} publishes ports below {_FIRST_USER_PORT} only with an extra permission"
            fix = advice.low_port(snapshot.origin, port, name)
            yield say(f"port {port}", f"{name}'s ingress port is below {_FIRST_USER_PORT}", why, fix=fix)


def _publishes(snapshot: HostSnapshot, port: int) -> bool:
    return any(port == published.host_port for node in snapshot.own_nodes for published in node.ports)


def check_localhost(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that `localhost` leads to the lab: browsers try its IPv6 address first, and the lab publishes on IPv4."""
    name, why = "localhost", "the pages are at http://localhost, and the lab publishes its ports on 127.0.0.1 only"
    addresses = snapshot.probes.localhost()
    problem = False
    if LOOPBACK not in addresses:
        problem = True
        observed = f"the name leads to {', '.join(addresses) or 'nothing'}, not to {LOOPBACK}"
        fix = f"add the line `{LOOPBACK} localhost` to /etc/hosts, or open http://{LOOPBACK} instead"
        yield warn(name, observed, why, fix=fix)
    for cluster in snapshot.spec.clusters.values():
        port = cluster.ingress_port
        # A product in a virtual machine may forward its own nodes' ports on both addresses.
        if snapshot.origin.site is Site.VM and _publishes(snapshot, port):
            continue
        if not snapshot.probes.port_is_free(LOOPBACK_V6, port):
            problem = True
            ends = [end for end in snapshot.probes.listeners() if end.port == port and end.ip in {"::1", "::"}]
            user = next((f"{end.process} (pid {end.pid})" for end in ends if end.process), "another program")
            fix = f"open http://{LOOPBACK}:{port}, or stop {user}"
            yield warn(name, f"{user} listens on [{LOOPBACK_V6}]:{port}: a browser shows its page", why, fix=fix)
    if not problem:
        yield ok(name, f"{LOOPBACK}; nothing else on [{LOOPBACK_V6}]", why)


def check_vpn(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Report VPNs, and warn if one carries only smaller packets than the engine's networks send."""
    name = "vpn"
    why = "a VPN can take the addresses that the lab needs (see `addresses`), or lose large packets of containers"
    mtus = snapshot.probes.mtus()
    found = [(i, address) for i, address in snapshot.probes.interfaces() if _VPN.match(i) and i in mtus]
    bridge = next((network for network in snapshot.networks if network.name == "bridge"), None)
    sends = int(bridge.options.get(_MTU, _ETHERNET)) if bridge is not None else _ETHERNET
    for interface, address in found:
        observed = f"{interface} ({address.network}), MTU {mtus[interface]}"
        if snapshot.engine is not None and mtus[interface] < sends and not snapshot.needs.nothing:
            fix = f"if a pull hangs: {advice.mtu(snapshot.origin, mtus[interface])}"
            yield warn(name, f"{observed}; the engine's networks send {sends}", why, fix=fix)
        else:
            yield ok(name, observed, why)
