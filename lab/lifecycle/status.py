"""`lab status`: what is there, on one screen, in less than 3 seconds, also while a cluster is down."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from lab import stacks
from lab.base.concurrency import Threads
from lab.base.names import Cluster
from lab.clusters import Node, NodeStatus, provider
from lab.kube import KubeError, connect
from lab.lab import Lab
from lab.mesh import Carried, Divert, Export, Failover, Gateway, Identity, Link, Permission, Split

T = TypeVar("T")

_ASK_S = 1.5


@dataclass(frozen=True, kw_only=True)
class ClusterStatus:
    """One cluster. `node` is a NodeStatus in words; `trouble` says why it does not work, empty when it does."""

    name: str
    stands_in_for: str
    node: str
    address: str | None
    version: str | None
    url: str
    context: str
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class Status:
    """A whole lab at one moment. `took_s` is how long it took to look."""

    lab: str
    stack: str
    healthy: bool
    clusters: Mapping[str, ClusterStatus]
    gateways: tuple[Gateway, ...]
    links: tuple[Link, ...]
    exports: tuple[Export, ...]
    splits: tuple[Split, ...]
    failovers: tuple[Failover, ...]
    diverts: tuple[Divert, ...]
    carried: tuple[Carried, ...]
    permissions: tuple[Permission, ...]
    identities: tuple[Identity, ...]
    distrust: tuple[str, ...]
    """Why clusters would refuse each other's certificates, each with what to do."""
    kubeconfig: str
    took_s: float


def gather(lab: Lab) -> Status:
    """Look at everything at once.

    Raises:
        LabError: the container engine cannot be asked.
    """
    began = time.monotonic()
    mesh, nodes = stacks.mesh(lab), provider().look(lab)
    running = [name for name, node in nodes.items() if node.status is NodeStatus.RUNNING]
    with Threads(16, thread_name_prefix="status") as threads:

        def ask(question: Callable[[], T]) -> Callable[[], T]:
            return threads.submit(question).result

        versions = {name: ask(_version_of(lab.clusters[name])) for name in running}
        gateways, links = ask(mesh.gateways), ask(mesh.links)
        exports, splits = ask(lambda: mesh.exports(running)), ask(lambda: mesh.splits(running))
        failovers, diverts = ask(lambda: mesh.failovers(running)), ask(lambda: mesh.diverts(running))
        carried = ask(lambda: mesh.carried(running))
        permissions, identities = ask(lambda: mesh.permissions(running)), ask(lambda: mesh.identities(running))
        clusters = {
            name: _cluster(lab, name, node, versions[name]() if name in versions else (None, ""))
            for name, node in nodes.items()
        }
        doubts = distrust(identities(), datetime.now(UTC))
        there = any(node.status is not NodeStatus.ABSENT for node in nodes.values())
        return Status(
            lab=lab.spec.name,
            stack=mesh.name,
            healthy=not any(c.trouble for c in clusters.values()) and _alive(gateways(), links()) and not doubts,
            clusters=clusters,
            gateways=tuple(gateways()) if there else (),
            links=tuple(links()) if there else (),
            exports=tuple(exports()),
            splits=tuple(splits()),
            failovers=tuple(failovers()),
            diverts=tuple(diverts()),
            carried=tuple(carried()),
            permissions=tuple(permissions()),
            identities=tuple(identities()),
            distrust=doubts,
            kubeconfig=str(lab.paths.kubeconfig),
            took_s=round(time.monotonic() - began, 3),
        )


def distrust(identities: Sequence[Identity], now: datetime) -> tuple[str, ...]:
    """Say what is wrong with whom clusters are and whom they trust; nothing where all is well."""
    found = []
    for one in identities:
        if one.anchor_ends <= now:
            found.append(
                f"{one.cluster}'s trust anchor ended on {one.anchor_ends:%Y-%m-%d}: nobody is let in any more; "
                "lab down, then lab up make a new one"
            )
        elif one.issuer_ends <= now:
            found.append(f"{one.cluster}'s issuer ended on {one.issuer_ends:%Y-%m-%d}; lab up makes a new one")
    anchors = {one.anchor_fingerprint for one in identities}
    if len(anchors) > 1:
        who = ", ".join(f"{one.cluster} {one.anchor_fingerprint[:16]}…" for one in identities)
        found.append(f"clusters trust different anchors ({who}) and refuse each other; lab up restores the lab's own")
    return tuple(found)


def _alive(gateways: Sequence[Gateway], links: Sequence[Link]) -> bool:
    return all(gateway.alive for gateway in gateways) and all(link.alive for link in links)


def _version_of(cluster: Cluster) -> Callable[[], tuple[str | None, str]]:
    def ask() -> tuple[str | None, str]:
        try:
            return connect(cluster, timeout_s=_ASK_S).version(), ""
        except KubeError as error:
            return None, error.what

    return ask


def _cluster(lab: Lab, name: str, node: Node, answer: tuple[str | None, str]) -> ClusterStatus:
    version, trouble = answer
    spec = lab.spec.clusters[name]
    if node.status is not NodeStatus.RUNNING:
        trouble = f"its node is {node.status.value}"
    return ClusterStatus(
        name=name,
        stands_in_for=spec.stands_in_for,
        node=node.status.value,
        address=node.address,
        version=version,
        url=f"http://localhost:{spec.ingress_port}",
        context=lab.clusters[name].context,
        trouble=trouble,
    )
