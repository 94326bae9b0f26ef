"""The faults of a lab: what can be broken, with the commands that do it and undo it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.base.names import Cluster
from lab.clusters import NodeStatus, provider
from lab.clusters.kind import link
from lab.components import podinfo
from lab.kube.objects import Ref
from lab.lab import Lab
from lab.mesh import Mesh
from lab.mesh.model import GatewayWorkload
from lab.scenario.actions import Command
from lab.stage.faults.latency import BY_STACK, rollout
from lab.stage.faults.situation import Situation

_KILL = "--grace-period=0 --force --wait=false"
_BACK_S = 180.0


@dataclass(frozen=True, kw_only=True)
class Breakage:
    """One fault.

    Args:
        id: its name in requests.
        title: what the presenter does.
        effect: what the audience will see.
        undo_title: what undoes it.
        do: the commands.
        undo: the commands of the undo.
        is_active: whether it is in place.
        obstacle: why it can neither be done nor undone now; None if it can.
        until_undone: waits until the undo has taken effect, and changes nothing.
    """

    id: str
    title: str
    effect: str
    undo_title: str
    do: tuple[Command, ...]
    undo: tuple[Command, ...]
    is_active: Callable[[Situation], bool]
    obstacle: Callable[[Situation], str | None]
    until_undone: Callable[[], object] = lambda: None


def of_lab(lab: Lab, mesh: Mesh, *, shown: Callable[[Path], str]) -> Sequence[Breakage]:
    """Return the faults of a lab.

    Args:
        lab: the lab.
        mesh: its mesh.
        shown: returns a path as a person types it.
    """
    clusters = list(lab.clusters.values())
    nodes = [cluster for cluster in clusters if not cluster.existing]
    return [
        *(_podinfo(lab, cluster) for cluster in clusters if lab.spec.clusters[cluster.name].podinfo.replicas),
        *(_gateway(cluster, gateway) for cluster in clusters for gateway in _east_west(mesh, cluster)),
        *(_link(lab.west, target) for target in nodes if lab.west in nodes and target != lab.west),
        *(_latency(mesh.name, cluster, shown) for cluster in clusters),
        *(_power(lab, cluster) for cluster in nodes),
    ]


def _east_west(mesh: Mesh, cluster: Cluster) -> Iterator[GatewayWorkload]:
    return (one for one in mesh.gateway_workloads(cluster.name) if one.role == "east-west")


def _podinfo(lab: Lab, cluster: Cluster) -> Breakage:
    where, deployment = _titled(cluster), podinfo.DEPLOYMENT
    do, undo = _killed(
        cluster,
        deployment,
        pods=f"app.kubernetes.io/name={deployment.name}",
        replicas=lab.spec.clusters[cluster.name].podinfo.replicas,
    )
    return Breakage(
        id=f"kill-podinfo-{cluster.name}",
        title=f"Kill podinfo in {where}",
        effect=f"All pods of podinfo in {where} are killed at once, and no new ones start",
        undo_title=f"Start podinfo in {where} again",
        do=do,
        undo=undo,
        is_active=lambda now: now.replicas.get((cluster.name, deployment)) == 0,
        obstacle=lambda now: _missing(now, cluster, deployment),
    )


def _gateway(cluster: Cluster, gateway: GatewayWorkload) -> Breakage:
    where, deployment = _titled(cluster), gateway.deployment
    do, undo = _killed(cluster, deployment, pods=gateway.pods, replicas=gateway.replicas)
    return Breakage(
        id=f"kill-gateway-{cluster.name}",
        title=f"Kill the gateway of {where}",
        effect=f"The gateway {gateway.name} of {where} is killed at once: other clusters do not reach its services",
        undo_title=f"Start the gateway of {where} again",
        do=do,
        undo=undo,
        is_active=lambda now: now.replicas.get((cluster.name, deployment)) == 0,
        obstacle=lambda now: _missing(now, cluster, deployment),
    )


def _killed(
    cluster: Cluster, deployment: Ref, *, pods: str, replicas: int
) -> tuple[tuple[Command, ...], tuple[Command, ...]]:
    """Return the commands that kill a Deployment's pods and prevent new ones, and those of the undo."""
    kubectl = f"kubectl --context={cluster.context} --namespace={deployment.namespace}"
    scale = f"{kubectl} scale deployment {deployment.name} --replicas="
    do = (Command(f"{kubectl} delete pods --selector={pods} {_KILL}"), Command(f"{scale}0"))
    return do, (Command(f"{scale}{replicas}"), rollout(cluster, deployment.name, deployment.namespace))


def _link(source: Cluster, target: Cluster) -> Breakage:
    drop = f"docker exec {source.node} sh -c '{link.dropping(target.node)}'"
    restore = f"docker exec {source.node} sh -c '{link.passing(target.node)}'"

    def obstacle(now: Situation) -> str | None:
        return now.cannot_cut or now.unusable(source.name) or now.unusable(target.name)

    return Breakage(
        id=f"cut-{source.name}-{target.name}",
        title=f"Cut the link from {_titled(source)} to {_titled(target)}",
        effect=f"{_titled(source)}'s node drops every packet to {_titled(target)}'s node: nothing refuses, and nothing "
        "answers",
        undo_title=f"Restore the link from {_titled(source)} to {_titled(target)}",
        do=(Command(drop),),
        undo=(Command(restore),),
        is_active=lambda now: (source.name, target.name) in now.cuts,
        obstacle=obstacle,
    )


def _latency(stack: str, cluster: Cluster, shown: Callable[[Path], str]) -> Breakage:
    where, latency = _titled(cluster), BY_STACK.get(stack)

    def obstacle(now: Situation) -> str | None:
        if latency is None:
            return f"the {stack} stack has no way to answer later"
        return _missing(now, cluster, podinfo.DEPLOYMENT)

    return Breakage(
        id=f"slow-podinfo-{cluster.name}",
        title=f"Slow down podinfo in {where}",
        effect=latency.effect.format(cluster=where) if latency else f"podinfo in {where} answers later",
        undo_title=f"Let podinfo in {where} answer at once",
        do=latency.do(cluster, shown) if latency else (),
        undo=latency.undo(cluster, shown) if latency else (),
        is_active=lambda now: cluster.name in now.slow,
        obstacle=obstacle,
    )


def _power(lab: Lab, cluster: Cluster) -> Breakage:
    where = _titled(cluster)
    page = "; the page on the left stops with it" if cluster == lab.west else ""

    def obstacle(now: Situation) -> str | None:
        status = now.nodes.get(cluster.name, NodeStatus.ABSENT)
        usable = status in {NodeStatus.RUNNING, NodeStatus.STOPPED}
        return None if usable else f"{cluster.name}'s node is {status.value}"

    return Breakage(
        id=f"stop-{cluster.name}",
        title=f"Stop {where}",
        effect=f"{where}'s node is killed, as in a power cut{page}",
        undo_title=f"Start {where} again",
        do=(Command(f"docker stop --time 0 {cluster.node}"),),
        undo=(Command(f"docker start {cluster.node}"),),
        is_active=lambda now: now.nodes.get(cluster.name) is NodeStatus.STOPPED,
        obstacle=obstacle,
        until_undone=lambda: provider().power.start(cluster, timeout_s=_BACK_S),
    )


def _missing(now: Situation, cluster: Cluster, deployment: Ref) -> str | None:
    if reason := now.unusable(cluster.name):
        return reason
    return None if (cluster.name, deployment) in now.replicas else f"{cluster.name} has no {deployment.name}"


def _titled(cluster: Cluster) -> str:
    return cluster.name[0].upper() + cluster.name[1:]
