"""What has to be free: ports, names, address ranges. And proxies, which must not stand between the lab and itself."""

from __future__ import annotations

from collections.abc import Iterator

from lab.host import subnets
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot
from lab.host.ownership import HOME_LABEL, whose
from lab.tools.kind import CLUSTER_LABEL

LOOPBACK = "127.0.0.1"
_EVERYWHERE = ("0.0.0.0", "::", "127.0.0.1", "::1", "::ffff:127.0.0.1")  # noqa: S104 - to compare with


def check_ports(scene: HostSnapshot) -> Iterator[Finding]:
    """Is each cluster's ingress port free, or this lab's own?"""
    used = {cluster.ingress_port for cluster in scene.spec.clusters.values()}
    for name, cluster in scene.spec.clusters.items():
        port = cluster.ingress_port
        title, why = f"port {port}", f"{name}'s ingress is published there"
        by = _user_of(scene, port)
        if by is None:
            yield ok(title, "free", why)
        elif by == "":
            yield ok(title, "this lab's own", why)
        else:
            other = next(n for n in range(8080, 65536) if n not in used and scene.senses.port_is_free(LOOPBACK, n))
            fix = f"end {by}, or set ingress_port = {other} under [clusters.{name}] in lab.toml"
            yield fail(title, f"in use by {by}", why, fix=fix)


def _user_of(scene: HostSnapshot, port: int) -> str | None:
    """Return who has a port: None for nobody, empty for this lab."""
    for container in scene.containers:
        if container.running and any(p.host_port == port and p.host_ip in _EVERYWHERE for p in container.ports):
            return "" if scene.is_own(container) else f"container {container.name}"
    if scene.senses.port_is_free(LOOPBACK, port):
        return None
    found = [end for end in scene.senses.listeners() if end.port == port and end.ip in _EVERYWHERE]
    known = next((end for end in found if end.process), None)
    return f"{known.process} (pid {known.pid})" if known else "a program of another user"


def check_names(scene: HostSnapshot) -> Iterator[Finding]:
    """Are the names that the lab will use free, or this lab's own? What is foreign is never touched."""
    name, why = "names", "the lab leaves alone what it did not make"
    if scene.engine is None:
        return
    lab = scene.spec.name
    rename = "set another `name` in lab.toml, or remove it yourself"
    foreign: list[tuple[str, str]] = []
    for cluster in scene.spec.clusters:
        kind_name = f"{lab}-{cluster}"
        for container in scene.containers:
            same = container.name.startswith(f"{kind_name}-control-plane")
            if (same or container.labels.get(CLUSTER_LABEL) == kind_name) and not scene.is_own(container):
                what = "kind cluster" if CLUSTER_LABEL in container.labels else "container"
                by_hand = f"{rename}: kind delete cluster --name {kind_name}" if what == "kind cluster" else rename
                if owner := scene.home_of(container):  # another lab's: not this user's to delete
                    by_hand = "set another `name` in lab.toml"
                foreign.append((f"a {what} has the name of {container.name}, and {whose(owner)}", by_hand))
    for network in scene.networks:
        if network.name == lab and lab not in scene.own_networks:
            owner = network.labels.get(HOME_LABEL, "")
            by_hand = "set another `name` in lab.toml" if owner else f"{rename}: docker network rm {lab}"
            foreign.append((f"a Docker network {lab} is there, and {whose(owner)}", by_hand))
    for observed, fix in foreign:
        yield fail(name, observed, why, fix=fix)
    if not foreign:
        yield ok(name, "free, or this lab's own", why)


def check_addresses(scene: HostSnapshot) -> Iterator[Finding]:
    """Are the clusters' address ranges apart from those that this machine uses?"""
    name, why = "addresses", "an address that exists twice is reached once"
    clashes = list(_clashes(scene))
    yield from clashes
    if not clashes:
        yield ok(name, "apart from the networks of this machine", why)


def _clashes(scene: HostSnapshot) -> Iterator[Finding]:
    name = "addresses"
    own = {subnet for network in scene.networks if network.name in scene.own_networks for subnet in network.subnets}
    local = {interface: address.network for interface, address in scene.senses.interfaces()}
    near = {i: net for i, net in local.items() if net not in own and not net.is_loopback and net.prefixlen < 32}
    if not own:
        yield from _nodes_subnet(scene)
    for cluster, spec in scene.spec.clusters.items():
        for key, cidr in (("pod_cidr", spec.pod_cidr), ("service_cidr", spec.service_cidr)):
            for interface, network in near.items():
                if cidr.overlaps(network):
                    told = f"{cluster}'s {key} {cidr} overlaps with this machine's {network} ({interface})"
                    fix = f"set another {key} under [clusters.{cluster}] in lab.toml"
                    yield warn(name, told, f"pods in {cluster} cannot reach that network", fix=fix)


def _nodes_subnet(scene: HostSnapshot) -> Iterator[Finding]:
    """Check that a subnet is free for the nodes' network, if that does not exist yet."""
    name, why, wanted = "addresses", "the nodes need addresses of their own", scene.spec.network.subnet
    known = subnets.used(scene.spec, scene.networks, scene.senses.interfaces(), scene.machine.read(subnets.ROUTES))
    if wanted is not None and (taker := known.taker(wanted)):
        fix = "set another [network] subnet in lab.toml, or none"
        yield fail(name, f"the nodes' subnet {wanted} overlaps with {taker}", why, fix=fix)
        return
    subnet = wanted or next(known.free(), None)
    if subnet is None:
        fix = "set [network] subnet in lab.toml to a private network that this machine does not use"
        yield fail(name, f"no subnet in {subnets.RANGE} is free", why, fix=fix)
    elif hidden := known.hidden(subnet):
        fix = f"nothing, or set another [network] subnet in lab.toml if you need hosts in {subnet}"
        yield warn(name, f"the nodes' subnet {subnet} is a part of {hidden}", "the lab hides that part", fix=fix)


def check_proxies(scene: HostSnapshot) -> Iterator[Finding]:
    """Which proxies are set? The lab itself passes them by on the way to this machine and its clusters."""
    name, why = "proxies", "the lab talks to its own clusters directly"
    environ = scene.machine.environ
    proxies = [key for key in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy") if environ.get(key)]
    told = f"{', '.join(proxies)} set: for downloads only; not for {LOOPBACK} and private addresses"
    yield ok(name, told if proxies else "none", why)
