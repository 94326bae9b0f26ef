"""`lab status`: check the lab and list changes, in a second or two on a quiet machine, also while a node is down."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from lab import stacks
from lab.base.concurrency import Threads
from lab.base.names import Cluster
from lab.clusters import Node, NodeStatus, provider
from lab.clusters.provider import OneWay
from lab.kube import KubeError, connect
from lab.lab import Lab
from lab.lifecycle import answers, artifacts, changes, distances, installed
from lab.lifecycle.answers import FrontendAnswers
from lab.lifecycle.artifacts import Installed
from lab.lifecycle.changes import Change, Traffic
from lab.mesh import Export, Failover, Gateway, Identity, IngressRoute, Intercept, Link, Permission, Split
from lab.mesh.ask import ASK_S, each, flat
from lab.stacks import Stack

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ClusterStatus:
    """The state of one cluster; `node` is the value of a NodeStatus, `trouble` the problem or empty."""

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
    """The state of a lab; `took_s` is the duration of the check."""

    lab: str
    stack: str
    healthy: bool
    problems: tuple[str, ...]
    """All problems, each with its cluster and reason."""
    next: str
    """The command that repairs the lab; empty if it is healthy."""
    changes: tuple[Change, ...]
    """Changes since `lab up`, with their effects. A change alone is not a problem."""
    answers: tuple[FrontendAnswers, ...]
    clusters: Mapping[str, ClusterStatus]
    gateways: tuple[Gateway, ...]
    links: tuple[Link, ...]
    exports: tuple[Export, ...]
    splits: tuple[Split, ...]
    failovers: tuple[Failover, ...]
    intercepts: tuple[Intercept, ...]
    ingress_routes: tuple[IngressRoute, ...]
    permissions: tuple[Permission, ...]
    distances: tuple[OneWay, ...]
    """What delays, loses and limits packets between the nodes, each direction."""
    identities: tuple[Identity, ...]
    distrust: tuple[str, ...]
    """Problems of certificates, each with its fix; also in `problems`."""
    artifacts: tuple[Installed, ...]
    """Versions and sources of the lab's artifacts that this machine has."""
    kubeconfig: str
    took_s: float


def gather(lab: Lab) -> Status:
    """Return the state of a lab; all parts are checked in parallel.

    Raises:
        LabError: the container engine does not answer.
    """
    began = time.monotonic()
    stack, nodes = stacks.current(lab), provider().look(lab)
    mesh = stack.mesh(lab)
    running = [name for name, node in nodes.items() if node.status is NodeStatus.RUNNING]
    with Threads(32, thread_name_prefix="status") as threads:

        def ask(question: Callable[[], T]) -> Callable[[], T]:
            return threads.submit(question).result

        answers = [ask(one) for name in running for one in _answers(lab, stack, name)]
        versions = {name: ask(_version_of(lab.clusters[name])) for name in running}
        wire = ask(lambda: provider().wire.state(lab, running))
        gateways, links = ask(mesh.gateways), ask(mesh.links)
        traffic, identities = ask(lambda: changes.traffic(mesh, running)), ask(lambda: mesh.identities(running))
        workloads = ask(
            lambda: flat(each(lab, running, lambda kube: installed.problems(lab, stack, kube), lambda *_: []))
        )
        used = ask(lambda: artifacts.used(lab, (*stack.artifacts(lab), *stack.images(lab))))
        changed = ask(lambda: changes.find(lab, traffic(), running, wire()))
        clusters = {
            name: _cluster(lab, name, node, versions[name]() if name in versions else (None, ""))
            for name, node in nodes.items()
        }
        there = any(node.status is not NodeStatus.ABSENT for node in nodes.values())
        results = tuple(_intended(one(), traffic(), wire().cuts) for one in answers)
        doubts = distrust(identities(), datetime.now(UTC))
        problems = (
            *(f"{cluster.name}: {cluster.trouble}" for cluster in clusters.values() if cluster.trouble),
            *(f"{g.cluster}: gateway {g.name}: {g.problem}" for g in gateways() if there and g.problem),
            *(
                f"link {k.source} → {k.target}: {k.detail or 'not alive'}"
                for k in _broken(links(), wire().cuts)
                if there
            ),
            *workloads(),
            *_missing_exports(
                lab,
                traffic().exports,
                running,
                silent=[n for n in running if versions[n]()[0] is None],
                idle={of.name for of in stack.scaled(lab)},
            ),
            *_missing_routes(wire().missing_routes),
            *distances.problems(lab, wire().distances, running),
            *doubts,
            *(one.problem for one in results if one.problem),
        )
        blocked = any(change.decides_answers for change in changed()) and any(one.problem for one in results)
        return Status(
            lab=lab.spec.name,
            stack=mesh.name,
            healthy=not problems,
            problems=problems,
            next="" if not problems else "lab reset" if blocked else "lab up",
            changes=changed(),
            answers=results,
            clusters=clusters,
            gateways=tuple(gateways()) if there else (),
            links=tuple(links()) if there else (),
            exports=traffic().exports,
            splits=traffic().splits,
            failovers=traffic().failovers,
            intercepts=traffic().intercepts,
            ingress_routes=traffic().ingress_routes,
            permissions=traffic().permissions,
            distances=wire().distances,
            identities=tuple(identities()),
            distrust=doubts,
            artifacts=tuple(used()),
            kubeconfig=str(lab.paths.kubeconfig),
            took_s=round(time.monotonic() - began, 3),
        )


def _answers(lab: Lab, stack: Stack, cluster: str) -> Iterator[Callable[[], FrontendAnswers]]:
    timeout_s = ASK_S + distances.patience_s(lab)
    for upstream, expected in answers.expected_of(lab, stack, cluster).items():
        yield partial(answers.ask, lab, cluster, upstream, expected, timeout_s=timeout_s)


def _intended(found: FrontendAnswers, traffic: Traffic, cuts: Sequence[tuple[str, str]]) -> FrontendAnswers:
    """Return the answers without their problem, if changes send the requests away from the missing clusters."""
    if found.missing and changes.redirected(
        traffic, cuts, caller=found.cluster, service=found.upstream, away_from=found.missing
    ):
        return replace(found, problem="")
    return found


def _broken(links: Sequence[Link], cuts: Sequence[tuple[str, str]]) -> Iterator[Link]:
    """Yield the links that are not alive, except between clusters whose connection is cut on purpose."""
    for link in links:
        if not link.alive and {(link.source, link.target), (link.target, link.source)}.isdisjoint(cuts):
            yield link


def _missing_exports(
    lab: Lab, exports: Sequence[Export], running: Sequence[str], *, silent: Sequence[str], idle: Collection[str] = ()
) -> Iterator[str]:
    """Yield the exports of lab.toml that do not exist or have no ready endpoints, or cannot be read.

    Args:
        lab: the lab.
        exports: the exports that were found.
        running: the clusters whose nodes run.
        silent: those of them whose API servers do not answer; their exports are unknown.
        idle: services that may have no pods.
    """
    there = {(export.service, export.source): export for export in exports}
    for service, sources in lab.spec.exports.items():
        for source in sources:
            export = there.get((service, source))
            if export is None and silent:
                yield f"{source}: cannot check whether {service} is exported: no answer from {', '.join(silent)}"
            elif export is None and len(running) > 1:
                yield f"{source}: {service} is not exported, although it is in lab.toml"
            elif export is not None and export.endpoints == 0 and service not in idle:
                yield f"{source}: {service} is exported but has no ready endpoints"


def _missing_routes(lacking: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, missing in lacking.items():
        yield f"{name}: the node lacks routes that keep pod traffic inside its cluster: {', '.join(missing)}"


def distrust(identities: Sequence[Identity], now: datetime) -> tuple[str, ...]:
    """Return problems of trust anchors and issuers: expired ones, and anchors that differ."""
    found = []
    for one in identities:
        if one.anchor_ends <= now:
            found.append(
                f"{one.cluster}: trust anchor expired on {one.anchor_ends:%Y-%m-%d}; all mTLS connections fail; "
                "run `lab down`, then `lab up`"
            )
        elif one.issuer_ends <= now:
            found.append(f"{one.cluster}: issuer certificate expired on {one.issuer_ends:%Y-%m-%d}; run `lab up`")
    anchors = {one.anchor_fingerprint for one in identities}
    if len(anchors) > 1:
        fingerprints = ", ".join(f"{one.cluster} {one.anchor_fingerprint[:16]}…" for one in identities)
        found.append(
            f"clusters trust different anchors ({fingerprints}) and refuse each other; `lab up` restores the lab's own"
        )
    return tuple(found)


def _version_of(cluster: Cluster) -> Callable[[], tuple[str | None, str]]:
    def ask() -> tuple[str | None, str]:
        try:
            return connect(cluster, timeout_s=ASK_S).version(), ""
        except KubeError as error:
            return None, error.what

    return ask


def _cluster(lab: Lab, name: str, node: Node, answer: tuple[str | None, str]) -> ClusterStatus:
    version, trouble = answer
    spec = lab.spec.clusters[name]
    if node.status is not NodeStatus.RUNNING:
        trouble = "the lab is not installed there" if spec.existing else f"its node is {node.status.value}"
    return ClusterStatus(
        name=name,
        stands_in_for=spec.stands_in_for,
        node=node.status.value,
        address=node.address,
        version=version,
        url=lab.page_url(name),
        context=lab.clusters[name].context,
        trouble=trouble,
    )
