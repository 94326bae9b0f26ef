"""`lab reset`: undo what scenarios, commands and people changed, without rebuilding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from lab import stacks
from lab.base import events
from lab.base.concurrency import Threads, at_once
from lab.base.errors import ClusterError
from lab.base.names import Cluster
from lab.base.step import StepStatus
from lab.clusters import NodeStatus, provider
from lab.clusters.provider import STANDS_STILL
from lab.components import workloads
from lab.kube import connect
from lab.kube.objects import Ref
from lab.lab import Lab
from lab.lifecycle import changes, distances, joining, plan
from lab.mesh.protocols import DirectExports, Federation, Mesh

_READY_S = 120.0
_USABLE = frozenset({NodeStatus.RUNNING, *STANDS_STILL})


def reset(lab: Lab, mesh: Mesh) -> Iterator[str]:
    """Restore the state that `lab up` creates; yields a line for each change.

    Raises:
        ClusterError: a node does not exist, or is off the network.
        WaitTimeout: a cluster or workload did not become ready.
    """
    own = lab
    for name in lab.spec.joined:
        own = own.without(name)
    found = provider().look(own)
    if unusable := [f"{n.name} is {n.status.value}" for n in found.values() if n.status not in _USABLE]:
        raise ClusterError(f"node {', node '.join(unusable)}; reset cannot repair that", next="lab up")
    yield from _wake(own, [name for name, node in found.items() if node.status in STANDS_STILL])
    yield from _cuts(lab)
    for name in lab.spec.joined:  # now that all others run and reach each other: they have to forget it
        yield from joining.leave(lab, name)
        lab = lab.without(name)
        mesh = stacks.mesh(lab)
    yield from distances.reset(lab)
    if provider().wire.ensure_routes(lab).status is StepStatus.CHANGED:
        yield "routes between the clusters restored"
    with Threads() as threads:
        for done in threads.map(lambda cluster: list(_objects_of_scenarios(lab, cluster)), lab.clusters.values()):
            yield from done
    with Threads() as threads:
        for done in threads.map(lambda cluster: list(_gateways(mesh, cluster)), lab.clusters.values()):
            yield from done
    yield from _mesh(lab, mesh)
    with Threads() as threads:
        for done in threads.map(lambda cluster: list(_apps(lab, cluster)), lab.clusters.values()):
            yield from done
    at_once(lambda name: plan.wait_for_answers(lab, stacks.current(lab), name, timeout_s=_READY_S), lab.clusters)
    yield "the lab is in its known state"


def _wake(lab: Lab, still: Sequence[str]) -> Iterator[str]:
    for name in still:
        events.progress(f"{name}: starting its node, which takes about 30 s")
    at_once(lambda name: provider().power.start(lab.clusters[name], timeout_s=_READY_S), lab.clusters)
    yield from (f"{name}: node started" for name in still)


def _cuts(lab: Lab) -> Iterator[str]:
    wire = provider().wire
    for source, target in wire.state(lab, list(lab.clusters)).cuts:
        if wire.restore(lab.clusters[source], lab.clusters.get(target, target)):
            yield f"{source}: network to {target} restored"


def _objects_of_scenarios(lab: Lab, cluster: Cluster) -> Iterator[str]:
    kube = connect(cluster)
    objects = lab.made_by_scenario(kube)
    for found, _ in changes.made_by_scenarios(lab, kube):
        if objects.delete(found):
            yield f"{cluster.name}: {found} deleted"


def _gateways(mesh: Mesh, cluster: Cluster) -> Iterator[str]:
    """Give gateways that were scaled their number of pods, before links are checked, which need them."""
    kube, scaled = connect(cluster), list[Ref]()
    if workloads.uncordon(kube):
        yield f"{cluster.name}: its node accepts new pods again"
    for one in mesh.gateway_workloads(cluster.name):
        found = workloads.replicas(kube.get(one.deployment))
        if found not in {None, one.replicas}:
            workloads.scale(kube, one.deployment, one.replicas)
            scaled.append(one.deployment)
            words = "started" if found == 0 else f"has {one.replicas} pod{'s' if one.replicas != 1 else ''} again"
            yield f"{cluster.name}: gateway {one.deployment.name} {words}"
    if scaled:
        kube.wait_ready(scaled, timeout_s=_READY_S)


def _failovers(lab: Lab, mesh: Mesh) -> Iterator[str]:
    """Delete the failovers, and what is left of those whose route a person deleted."""
    for failover in mesh.failovers():
        mesh.unfail_over(failover.cluster, failover.service)
        yield f"{failover.cluster}: failover of {failover.service} removed"
    for cluster, service in product(lab.clusters, lab.spec.exports):
        if mesh.unfail_over(cluster, service):
            yield f"{cluster}: the rest of a failover of {service} removed"


def _mesh(lab: Lab, mesh: Mesh) -> Iterator[str]:
    for split in mesh.splits():
        mesh.unsplit(split.cluster, split.service)
        yield f"{split.cluster}: split of {split.service} removed"
    for permission in mesh.permissions():
        mesh.unauthorize(permission.cluster, permission.service)
        yield f"{permission.cluster}: permission of {permission.service} removed"
    yield from _failovers(lab, mesh)
    for intercept in mesh.intercepts():
        mesh.remove_intercept(intercept.cluster, intercept.service)
        yield f"{intercept.cluster}: intercept of {intercept.service} removed"
    for route in mesh.ingress_routes():
        mesh.remove_ingress_route(route.service, route.source)
        yield f"{route.source}: ingress route to {route.service} removed"
    if isinstance(mesh, Federation):
        for service in mesh.federated():
            mesh.unfederate(service)
            yield f"{service}-federated deleted"
    for name in lab.clusters:
        mesh.require_mtls(name)
    for broken in mesh.links():
        if not broken.alive:
            mesh.link(broken.source, broken.target)
            yield f"{broken.source}: linked to {broken.target}"
    wanted = {(service, source) for service, sources in lab.spec.exports.items() for source in sources}
    there = {(export.service, export.source) for export in mesh.exports()}
    there |= set(mesh.direct_exports()) if isinstance(mesh, DirectExports) else set()
    for service, source in sorted(wanted - there):
        mesh.export(service, source)
        yield f"{service} exported from {source}"
    for service, source in sorted(there - wanted):
        mesh.unexport(service, source)
        yield f"export of {service} from {source} removed"


def _apps(lab: Lab, cluster: Cluster) -> Iterator[str]:
    kube = connect(cluster)
    for pod in workloads.delete_strays(kube):
        yield f"{cluster.name}: {pod} deleted"
    parts = stacks.current(lab).components(lab)
    for component in (parts["podinfo"].component, parts["frontend"].component):
        if component.apply(lab, cluster).status is StepStatus.CHANGED:
            yield f"{cluster.name}: {component.name} restored"
