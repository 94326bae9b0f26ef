"""What is broken now, read from the clusters and their nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.base.concurrency import at_once
from lab.base.errors import ClusterError
from lab.clusters import NodeStatus, provider
from lab.components import podinfo
from lab.kube import Kube, KubeError, connect
from lab.kube.objects import Ref
from lab.lab import Lab
from lab.mesh import Mesh
from lab.stage.faults.latency import BY_STACK

_ASK_S = 2.0
Deployed = tuple[str, Ref]
"""A cluster, and a Deployment in it."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """The state of what faults change.

    Args:
        nodes: the state of each cluster's node.
        answering: the clusters whose API servers answer.
        replicas: the wanted replicas of podinfo and of the gateways; no entry for one that does not exist.
        cuts: pairs of a source cluster and the target cluster that it drops all traffic to.
        cannot_cut: why the network cannot be cut; empty if it can.
        slow: clusters whose podinfo answers later.
    """

    nodes: Mapping[str, NodeStatus] = field(default_factory=dict)
    answering: frozenset[str] = frozenset()
    replicas: Mapping[Deployed, int] = field(default_factory=dict)
    cuts: frozenset[tuple[str, str]] = frozenset()
    cannot_cut: str = ""
    slow: frozenset[str] = frozenset()

    def unusable(self, cluster: str) -> str | None:
        """Return why a cluster takes no commands; None if it does."""
        status = self.nodes.get(cluster, NodeStatus.ABSENT)
        if status is not NodeStatus.RUNNING:
            return f"{cluster}'s node is {status.value}"
        return None if cluster in self.answering else f"{cluster}'s API server does not answer"


def read(lab: Lab, mesh: Mesh) -> Situation:
    """Read the state of all clusters at once; a cluster that does not answer has no replicas and is not slow.

    Raises:
        LabError: the container engine does not answer.
    """
    nodes = {name: node.status for name, node in provider().look(lab).items()}
    running = [name for name, status in nodes.items() if status is NodeStatus.RUNNING]
    replicas: dict[Deployed, int] = {}
    answering, slow = set[str](), set[str]()

    def one(name: str) -> None:
        kube = connect(lab.clusters[name], timeout_s=_ASK_S)
        try:
            replicas.update(_replicas(kube, mesh))
            if mesh.name in BY_STACK and BY_STACK[mesh.name].is_on(kube):
                slow.add(name)
        except KubeError:
            return
        answering.add(name)

    at_once(one, running)
    cuts, cannot_cut = _cuts(lab, running)
    return Situation(
        nodes=nodes,
        answering=frozenset(answering),
        replicas=replicas,
        cuts=cuts,
        cannot_cut=cannot_cut,
        slow=frozenset(slow),
    )


def _replicas(kube: Kube, mesh: Mesh) -> Mapping[Deployed, int]:
    name = kube.cluster.name
    wanted = [podinfo.DEPLOYMENT, *(gateway.deployment for gateway in mesh.gateway_workloads(name))]
    found = {deployment: kube.get(deployment) for deployment in wanted}
    return {
        (name, deployment): int(obj["spec"].get("replicas", 1)) for deployment, obj in found.items() if obj is not None
    }


def _cuts(lab: Lab, running: list[str]) -> tuple[frozenset[tuple[str, str]], str]:
    try:
        return frozenset(provider().wire.state(lab, running).cuts), ""
    except ClusterError as error:
        return frozenset(), error.what
