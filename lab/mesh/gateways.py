"""The state of a cluster's gateways, read from their Services and Deployments; the same for every mesh."""

from __future__ import annotations

from collections.abc import Iterable

from lab.components import load_balancer
from lab.kube import Kube
from lab.kube.objects import Obj, unready
from lab.mesh.model import Gateway, GatewayWorkload


def read(kube: Kube, workloads: Iterable[GatewayWorkload]) -> list[Gateway]:
    """Return a cluster's gateways; one is alive when a pod is Available and its Service has its address."""
    found = []
    for one in workloads:
        address, deployment = load_balancer.assigned(kube, one.service), kube.get(one.deployment)
        detail = not_serving(deployment) or load_balancer.problem(kube, one.service)
        found.append(_gateway(kube.cluster.name, one, address=address, detail=detail, ready=_ready(deployment)))
    return found


def unanswered(cluster: str, workloads: Iterable[GatewayWorkload], why: str) -> list[Gateway]:
    """Return the gateways of a cluster that does not answer."""
    return [_gateway(cluster, one, address=None, detail=why) for one in workloads]


def not_serving(deployment: Obj | None) -> str:
    """Return why a gateway's Deployment serves no requests; empty if one of its pods is ready."""
    if deployment is None:
        return "its Deployment does not exist"
    if deployment["spec"].get("replicas", 1) == 0:
        return "it was scaled to 0 pods"
    return "" if _ready(deployment) else unready(deployment) or "none of its pods is ready"


def _ready(deployment: Obj | None) -> int:
    return int((deployment or {}).get("status", {}).get("availableReplicas", 0))


def _gateway(cluster: str, one: GatewayWorkload, *, address: str | None, detail: str, ready: int = 0) -> Gateway:
    return Gateway(
        cluster=cluster,
        name=one.name,
        role=one.role,
        address=address,
        port=one.port,
        alive=not detail,
        detail=detail,
        ready=ready,
        wanted=one.replicas,
        pods=one.pods,
    )
