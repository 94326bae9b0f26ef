"""Values of lab.toml that are valid alone, and not together."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import combinations

from lab.base import distance
from lab.base.toml_lines import Key
from lab.config.spec import LabSpec


def _network_conflicts(spec: LabSpec) -> Iterator[tuple[Key, str]]:
    nets: list[tuple[Key, IPv4Network]] = [
        (("clusters", name, field), getattr(cluster, field))
        for name, cluster in spec.clusters.items()
        if not cluster.existing
        for field in ("pod_cidr", "service_cidr")
    ]
    if spec.network.subnet is not None:
        nets.append((("network", "subnet"), spec.network.subnet))
    for (key_a, a), (key_b, b) in combinations(nets, 2):
        if a.overlaps(b):
            yield key_b, f"{b} overlaps {'.'.join(key_a)} = {a}"
    for key, net in nets:
        if net.prefixlen > 24:
            yield key, f"{net} is too small; use a /24 or larger"


def _link_conflicts(spec: LabSpec) -> Iterator[tuple[Key, str]]:
    earlier: list[set[str]] = []
    for index, link in enumerate(spec.links):
        key = ("links", str(index))
        for name in link.between:
            if name not in spec.clusters:
                yield (*key, "between"), f"unknown cluster {name!r}; known: {', '.join(spec.clusters)}"
        if set(link.between) in earlier:
            yield (*key, "between"), f"the distance between {' and '.join(link.between)} is set above already"
        for name in {*link.between}.intersection(spec.existing):
            yield (*key, "between"), f"{name} is an existing cluster, and the lab does not delay its packets"
        earlier.append(set(link.between))
        for part, words in distance.conflicts(link.distance):
            yield (*key, part), words


def _existing_conflicts(spec: LabSpec) -> Iterator[tuple[Key, str]]:
    seen: dict[tuple[str | None, str | None], str] = {}
    for name, cluster in spec.clusters.items():
        if not cluster.existing:
            for field in ("kubeconfig", "server"):
                if getattr(cluster, field) is not None:
                    yield ("clusters", name, field), "is for an existing cluster; name its `context` too"
            if not cluster.reachable:
                yield ("clusters", name, "reachable"), "is for an existing cluster; name its `context` too"
            continue
        one = (cluster.kubeconfig, cluster.context)
        if one in seen:
            yield ("clusters", name, "context"), f"{cluster.context} is the context of {seen[one]} already"
        seen[one] = name
    if spec.existing and spec.network.flat:
        words = f"{spec.existing[0]} is an existing cluster, and the lab adds no routes there; use the gateways"
        yield ("network", "flat"), words


def conflicts(spec: LabSpec) -> Iterator[tuple[Key, str]]:
    """Yield (key, words) for each value that contradicts another one."""
    yield from _network_conflicts(spec)
    yield from _link_conflicts(spec)
    yield from _existing_conflicts(spec)
    if spec.roles.east == spec.roles.west:
        yield ("roles", "west"), f"{spec.roles.west} is roles.east already; name two different clusters"
    for (name_a, a_spec), (name_b, b_spec) in combinations(spec.clusters.items(), 2):
        ports = () if a_spec.existing or b_spec.existing else ("ingress_port",)
        for field in (*ports, "trust_domain"):
            if getattr(a_spec, field) == getattr(b_spec, field):
                yield ("clusters", name_b, field), f"{getattr(b_spec, field)} is clusters.{name_a}.{field} already"
    for name, cluster in spec.clusters.items():
        if cluster.ingress_port == spec.stage.port and not cluster.existing:
            yield ("stage", "port"), f"{spec.stage.port} is clusters.{name}.ingress_port already"
    if spec.artifacts.source == "packages":
        for name in spec.versions:
            yield ("versions", name), 'names an upstream image, but artifacts.source is "packages"'
    for service, sources in spec.exports.items():
        for source in sources:
            if source not in spec.clusters:
                known = ", ".join(spec.clusters)
                yield ("exports", service), f"unknown cluster {source!r}; known: {known}"
            elif not any(spec.reaches(other, source) for other in spec.clusters if other != source):
                yield ("exports", service), f"no other cluster reaches {source}; export {service} from another one"
