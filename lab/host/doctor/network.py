"""Check ports, names and address ranges for conflicts, and report the proxy settings."""

from __future__ import annotations

from collections.abc import Iterator

from lab.host import subnets
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot
from lab.host.ownership import HOME_LABEL, whose
from lab.tools.kind import CLUSTER_LABEL

LOOPBACK = "127.0.0.1"
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


def check_proxies(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Report the proxy settings. The lab does not use proxies for this machine and its clusters."""
    name, why = "proxies", "the lab connects to its own clusters directly"
    environ = snapshot.machine.environ
    proxies = [key for key in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy") if environ.get(key)]
    observed = f"{', '.join(proxies)} set: for downloads only; not for {LOOPBACK} and private addresses"
    yield ok(name, observed if proxies else "none", why)
