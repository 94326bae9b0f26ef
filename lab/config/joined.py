"""Clusters that joined a lab which is up, by `lab cluster add`: their tables are recorded in the lab's state folder.

A table is complete: a later change of lab.toml does not move a cluster to other addresses or ports. Each of these
clusters exports podinfo, so that splits and failovers can name it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lab.base import colours
from lab.base.errors import ConfigError, Problem, UsageError
from lab.base.files import write_atomic
from lab.base.names import ROLES
from lab.config import defaults
from lab.config.conflicts import conflicts
from lab.config.spec import ClusterSpec, LabSpec
from lab.config.values import DnsLabel, LabelValue, PortNumber, words

NAMES = ("north", "south", "centre", "edge")
"""Names for a cluster that a scenario lets join: the first that lab.toml does not have."""
TRUST_DOMAINS = tuple(f"joined-{number}.example" for number in range(1, 7))
"""The trust domains of clusters that join. Every Istio accepts them from the beginning: if its list changed when a
cluster joins, its proxies would replace their listeners, and cut connections that last longer than the drain."""
_EXPORTED = "podinfo"
_MOST = 90
"""Places whose default addresses fit into 10.0.0.0/8 (`defaults.of_cluster`)."""

Tables = Mapping[str, ClusterSpec]


def read(file: Path) -> Tables:
    """Return the recorded clusters; an empty mapping if the file does not exist."""
    if not file.exists():
        return {}
    try:
        return {name: ClusterSpec.model_validate(table) for name, table in json.loads(file.read_bytes()).items()}
    except (ValueError, AttributeError) as error:  # pydantic's and json's errors are ValueErrors
        raise ConfigError(str(file), [Problem(key="clusters", text=f"cannot be read: {error}")]) from error


def write(file: Path, tables: Tables) -> None:
    """Record the clusters that joined; no file for none."""
    if tables:
        write_atomic(file, json.dumps({name: table.model_dump(mode="json") for name, table in tables.items()}))
    else:
        file.unlink(missing_ok=True)


def extended(spec: LabSpec, tables: Tables) -> LabSpec:
    """Return a lab with the clusters that joined it, without those that lab.toml has got meanwhile.

    Raises:
        ConfigError: one of them cannot be with the clusters of lab.toml, which have changed since it joined.
    """
    added = {name: table for name, table in tables.items() if name not in spec.clusters}
    if not added:
        return spec
    exports = {**spec.exports, _EXPORTED: (*spec.exports.get(_EXPORTED, ()), *added)}
    whole = spec.model_copy(update={"clusters": {**spec.clusters, **added}, "exports": exports})
    whole._joined = (*spec.joined, *added)
    if found := list(conflicts(whole)):
        names = ", ".join(added)
        why = f"{names} joined by `lab cluster add`; undo the change here, `lab cluster remove`, then change it again"
        problems = [Problem(key=".".join(key), text=f"{text} ({why})") for key, text in found]
        raise ConfigError(str(spec.file or "lab.toml"), problems)
    return whole


def without(spec: LabSpec, cluster: str) -> LabSpec:
    """Return a lab without one of the clusters that joined it."""
    clusters = {name: table for name, table in spec.clusters.items() if name != cluster}
    exports = {
        service: tuple(source for source in sources if source != cluster) for service, sources in spec.exports.items()
    }
    rest = spec.model_copy(
        update={"clusters": clusters, "exports": {service: found for service, found in exports.items() if found}}
    )
    rest._joined = tuple(name for name in spec.joined if name != cluster)
    return rest


def table(
    spec: LabSpec, name: str, *, region: str | None, ingress_port: int | None, is_free: Callable[[int], bool]
) -> ClusterSpec:
    """Return the table of a cluster that joins: what is given, and the first defaults that nothing else uses.

    Args:
        spec: the lab.
        name: the cluster's name.
        region: its region; by default its name.
        ingress_port: the port of its ingress on this machine; by default the first free one.
        is_free: whether a port of this machine is free.

    Raises:
        UsageError: a value is not valid, or another cluster has it.
    """
    _check("NAME", DnsLabel, name)
    if name in ROLES:
        raise UsageError(f"{name!r} is the name of a role", next=f"another name, such as {spare_name(spec)}")
    if region is not None:
        _check("--region", LabelValue, region)
    used = {cluster.ingress_port for cluster in spec.clusters.values()} | {spec.stage.port}
    if ingress_port is not None:
        _check("--ingress-port", PortNumber, ingress_port)
        if ingress_port in used:
            raise UsageError(f"--ingress-port: the lab uses {ingress_port} already", next="name another port, or none")
    taken = [net for cluster in spec.clusters.values() for net in (cluster.pod_cidr, cluster.service_cidr)]
    taken += [spec.network.subnet] if spec.network.subnet else []
    colors = {cluster.podinfo.color for cluster in spec.clusters.values()}
    domains = {cluster.trust_domain for cluster in spec.clusters.values()}
    domain = next((one for one in TRUST_DOMAINS if one not in domains), None)
    if domain is None:
        known = ", ".join(spec.joined)
        raise UsageError(
            f"{len(TRUST_DOMAINS)} clusters have joined: {known}", next=f"lab cluster remove {spec.joined[0]}"
        )
    for index in range(len(ROLES), _MOST):
        base = defaults.of_cluster(name, None, index)
        nets = [IPv4Network(base[key]) for key in ("pod_cidr", "service_cidr")]
        if any(net.overlaps(other) for net in nets for other in taken):
            continue
        port = ingress_port or next(
            one for one in range(base["ingress_port"], 65536) if one not in used and is_free(one)
        )
        color = next((one for one in colours.CLUSTERS if one not in colors), base["podinfo"]["color"])
        found = {**base, "region": region or base["region"], "ingress_port": port, "trust_domain": domain}
        return ClusterSpec.model_validate({**found, "podinfo": {**base["podinfo"], "color": color}})
    raise UsageError("the lab's clusters leave no addresses for another one", next="lab cluster remove NAME")


def spare_name(spec: LabSpec) -> str:
    """Return the name of the cluster that a scenario lets join: the first of NAMES that lab.toml does not have."""
    own = spec.clusters.keys() - set(spec.joined)
    return next(name for name in (*NAMES, *(f"further-{number}" for number in range(len(own) + 1))) if name not in own)


def _check(what: str, kind: Any, value: object) -> None:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise UsageError(f"{what}: {words(error.errors()[0])}", next="lab cluster add --help") from error
