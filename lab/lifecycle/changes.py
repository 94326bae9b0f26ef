"""Find changes since `lab up` that a walk, a command or a person made, and their effect on requests.

`lab status` and `lab up` report them, and `lab reset` undoes them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from lab.base.concurrency import Threads
from lab.base.distance import Distance
from lab.base.names import NAMESPACE, SCENARIO_LABEL
from lab.clusters import provider
from lab.clusters.provider import OneWay, WireState
from lab.components import podinfo, workloads
from lab.kube import Kube
from lab.kube.objects import Ref, labels_of, ref
from lab.lab import Lab
from lab.lifecycle import distances, partition
from lab.mesh.ask import each, flat
from lab.mesh.model import Caller, Export, Failover, IngressRoute, Intercept, Permission, Split
from lab.mesh.names import exported_name
from lab.mesh.protocols import Federation, Mesh

T = TypeVar("T")

_KINDS = (
    ("v1", "Namespace"),
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "Pod"),
    ("v1", "ConfigMap"),
    ("networking.istio.io/v1alpha3", "EnvoyFilter"),
)
_ROUTING = frozenset({"permission", "split", "failover", "intercept", "cut", "partition"})


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change that `lab up` did not make; `effect` describes it."""

    cluster: str
    kind: str
    effect: str

    @property
    def decides_answers(self) -> bool:
        """Whether it changes who answers a request, or prevents answers."""
        return self.kind in _ROUTING


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """The mesh's routing objects and permissions, without those of `lab up`."""

    splits: tuple[Split, ...] = ()
    failovers: tuple[Failover, ...] = ()
    intercepts: tuple[Intercept, ...] = ()
    permissions: tuple[Permission, ...] = ()
    ingress_routes: tuple[IngressRoute, ...] = ()
    exports: tuple[Export, ...] = ()
    federated: tuple[str, ...] = ()


def traffic(mesh: Mesh, clusters: Sequence[str]) -> Traffic:
    """Return the traffic objects of several clusters, read in parallel; none for a cluster that does not answer."""
    with Threads(8, thread_name_prefix="changes") as threads:

        def ask(question: Callable[[Sequence[str]], Sequence[T]]) -> Callable[[], Sequence[T]]:
            return threads.submit(question, clusters).result

        splits, failovers, intercepts = ask(mesh.splits), ask(mesh.failovers), ask(mesh.intercepts)
        permissions, ingress_routes = ask(mesh.permissions), ask(mesh.ingress_routes)
        exports = ask(mesh.exports)
        federated = ask(mesh.federated) if isinstance(mesh, Federation) else tuple
        return Traffic(
            splits=tuple(splits()),
            failovers=tuple(failovers()),
            intercepts=tuple(intercepts()),
            permissions=tuple(permissions()),
            ingress_routes=tuple(ingress_routes()),
            exports=tuple(exports()),
            federated=tuple(federated()),
        )


def find(lab: Lab, found: Traffic, clusters: Sequence[str], wire: WireState) -> tuple[Change, ...]:
    """Return all changes.

    Args:
        lab: the lab.
        found: routing objects and permissions of the mesh.
        clusters: the running clusters.
        wire: the network between them.
    """
    objects = flat(each(lab, clusters, lambda kube: list(_of_objects(lab, kube)), lambda *_: []))
    return (
        *_of_joined(lab),
        *_of_traffic(lab, found),
        *_of_cuts(lab, wire.cuts),
        *_of_distances(lab, wire.distances),
        *objects,
    )


def now(lab: Lab, mesh: Mesh) -> tuple[Change, ...]:
    """Return all changes of a running lab."""
    names = list(lab.clusters)
    return find(lab, traffic(mesh, names), names, provider().wire.state(lab, names))


def made_by_scenarios(lab: Lab, kube: Kube) -> Iterator[tuple[Ref, str]]:
    """Yield objects that scenarios and `lab dev` created, with their owner's name; without those being deleted."""
    owner = lab.made_by_scenario(kube).owner
    for api_version, kind in _KINDS:
        for obj in kube.find(api_version, kind, metadata_only=True):
            if owner.owns(obj) and "deletionTimestamp" not in obj["metadata"]:
                yield ref(obj), labels_of(obj)[SCENARIO_LABEL]


def unwanted_exports(lab: Lab, exports: Collection[Export]) -> list[Export]:
    """Return the exports that are not in lab.toml."""
    return [export for export in exports if export.source not in lab.spec.exports.get(export.service, ())]


def redirected(
    found: Traffic, cuts: Collection[tuple[str, str]], *, caller: str, service: str, away_from: Collection[str]
) -> bool:
    """Return whether changes send a cluster's requests to other clusters than all of `away_from`.

    Args:
        found: routing objects of the mesh.
        cuts: pairs of clusters without a connection.
        caller: the calling cluster.
        service: the called service.
        away_from: the clusters that get no request.
    """
    return all(_redirected(found, cuts, caller, service, cluster) for cluster in away_from)


def _redirected(found: Traffic, cuts: Collection[tuple[str, str]], caller: str, service: str, cluster: str) -> bool:
    name = service if cluster == caller else exported_name(service, cluster)
    route = (caller, service)
    return (
        # A few requests may all miss a cluster that gets less than half of them.
        any(2 * s.weights.get(name, 0) < sum(s.weights.values()) for s in found.splits if _route(s) == route)
        or any(f.primary != cluster for f in found.failovers if _route(f) == route)
        or any(not i.header for i in found.intercepts if _route(i) == route)
        or not {(caller, cluster), (cluster, caller)}.isdisjoint(cuts)
    )


def _route(of: Split | Failover | Intercept) -> tuple[str, str]:
    return of.cluster, of.service


def _of_joined(lab: Lab) -> Iterator[Change]:
    for name in lab.spec.joined:
        yield Change(cluster=name, kind="cluster", effect=f"cluster: {name} joined; it is not in lab.toml")


def _of_traffic(lab: Lab, found: Traffic) -> Iterator[Change]:
    for split in found.splits:
        weights = ", ".join(f"{weight} to {name}" for name, weight in split.weights.items())
        kind = " (TrafficSplit)" if split.smi else ""
        yield Change(
            cluster=split.cluster,
            kind="split",
            effect=f"split{kind}: of {split.cluster}'s requests to {split.service}, {weights}",
        )
    for failover in found.failovers:
        words = f"{failover.cluster}'s requests to {failover.service} go to {failover.primary}"
        then = "".join(f", then to {name}" for name in failover.further)
        effect = f"failover: {words}, and to {failover.backup} when {failover.primary} fails{then}"
        yield Change(cluster=failover.cluster, kind="failover", effect=effect)
    for intercept in found.intercepts:
        which = f"with {intercept.header}={intercept.value} " if intercept.header else ""
        effect = f"intercept: {intercept.cluster}'s requests to {intercept.service} {which}go to {intercept.to}"
        yield Change(cluster=intercept.cluster, kind="intercept", effect=effect)
    for permission in found.permissions:
        yield Change(cluster=permission.cluster, kind="permission", effect=f"locked: {allowed(permission)}")
    for route in found.ingress_routes:
        effect = f"export: {route.source}'s ingress routes to {route.service}, as {route.name}"
        yield Change(cluster=route.source, kind="export", effect=effect)
    for export in unwanted_exports(lab, found.exports):
        effect = f"export: {export.service} of {export.source} is {export.name} in {', '.join(export.seen_in)}"
        yield Change(cluster=export.source, kind="export", effect=effect)
    for service in found.federated:
        where = ", ".join(lab.clusters)
        yield Change(cluster=where, kind="federation", effect=f"federation: {service}-federated joins all clusters")


def allowed(permission: Permission) -> str:
    """Return a permission as text: "only west/frontend may GET /api/info of podinfo in east"."""
    callers = " and ".join(_caller(caller) for caller in permission.callers)
    target = f"{permission.service} in {permission.cluster}"
    if not callers:
        return f"nobody may call {target}"
    methods, paths = " or ".join(permission.methods), " or ".join(permission.paths)
    if paths:
        return f"only {callers} may {methods or 'call'} {paths} of {target}"
    return f"only {callers} may {methods or 'call'} {target}"


def _caller(caller: Caller) -> str:
    namespace = "" if caller.namespace == NAMESPACE else f"{caller.namespace}/"
    return f"{caller.cluster}/{namespace}{caller.service_account}"


def _of_cuts(lab: Lab, cuts: Sequence[tuple[str, str]]) -> Iterator[Change]:
    if sides := partition.sides(list(lab.clusters), cuts):
        words = " | ".join(", ".join(side) for side in sides)
        effect = f"partition: no packet passes between {words}; requests across it get no answer"
        yield Change(cluster=", ".join(lab.clusters), kind="partition", effect=effect)
        return
    for source, target in cuts:
        yield Change(cluster=source, kind="cut", effect=f"cut: {source}'s node drops all traffic to {target}")


def _of_distances(lab: Lab, found: Sequence[OneWay]) -> Iterator[Change]:
    wanted = distances.wanted(lab)
    for pair, sides in distances.by_pair(lab, found).items():
        known = [one.distance for one in sides if one.distance]
        if pair in wanted and all(distance == wanted[pair] for distance in known):
            continue  # what is missing of it is a problem, not a change
        ends = " and ".join(pair)
        words = [f"{ends} are {distances.text(sides)} apart{_cost(known[0])}" if known else f"between {ends}"]
        words += [f"lab.toml says {wanted[pair]}"] if pair in wanted else []
        words += [missing] if (missing := distances.broken(pair, sides)) else []
        yield Change(cluster=", ".join(pair), kind="distance", effect=f"distance: {'; '.join(words)}")


def _cost(distance: Distance) -> str:
    """Return what a distance does to requests, as the middle of a sentence."""
    parts = []
    if distance.delay_ms:
        parts.append(f"a request takes {distance.delay_ms:g} ms more for each round trip")
    if distance.loss_percent:
        parts.append("lost packets are sent again, which delays requests")
    if distance.rate_kbit:
        parts.append("large answers wait for the rate")
    return f" ({'; '.join(parts)})"


def _of_objects(lab: Lab, kube: Kube) -> Iterator[Change]:
    made = sorted(made_by_scenarios(lab, kube), key=lambda pair: pair[1])
    for maker, group in groupby(made, key=lambda pair: pair[1]):
        found = [of for of, _ in group]
        shown = ", ".join(str(of) for of in found[:2]) + (f" and {len(found) - 2} more" if len(found) > 2 else "")
        yield Change(cluster=kube.cluster.name, kind="objects", effect=f"objects of {maker}: {shown}")
    if workloads.is_cordoned(kube):
        effect = f"cordon: {kube.cluster.name}'s node accepts no new pods"
        yield Change(cluster=kube.cluster.name, kind="cordon", effect=effect)
    if podinfo.is_delayed(kube.get(podinfo.DEPLOYMENT)):  # the stage's fault on a mesh without fault injection
        yield Change(cluster=kube.cluster.name, kind="latency", effect="slow: podinfo waits before each answer")
