"""Links on Linkerd: whether a source sees its target, and where it does not, at which hop.

Besides what the service mirrors say of the gateways, each hop is checked by itself: upstream's `multicluster
gateways` says nothing of API servers, and nothing of why a gateway is not alive.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from lab.base.errors import CommandError
from lab.base.names import Cluster
from lab.clusters import provider
from lab.clusters.kind import network
from lab.kube import Kube, KubeError, connect
from lab.kube.objects import Ref
from lab.lab import Lab
from lab.mesh.ask import ASK_S, not_serving
from lab.mesh.model import Link
from lab.stacks.linkerd import control_plane, multicluster

_TOKEN = Ref(
    api_version="v1",
    kind="Secret",
    name="linkerd-service-mirror-remote-access-default-token",
    namespace=multicluster.NAMESPACE,
)


def listed(lab: Lab, source: Kube) -> list[Link]:
    """Return the links that a cluster has or should have."""
    said, there = _said_by_mirrors(lab, source.cluster), _linked(source)
    targets = {*multicluster.linked(lab, source.cluster.name), *there}
    return [_link(lab, source, target, there, said.get(target)) for target in sorted(targets)]


def _link(lab: Lab, source: Kube, target: str, linked: list[str], said: Mapping[str, Any] | None) -> Link:
    """Say whether a link works, and where it does not, at which hop: nearest to the source first."""
    detail, server = "", None
    if target not in linked:
        detail = "there is no Link to it"
    try:
        there = connect(lab.clusters[target], timeout_s=ASK_S)
        server = network.server_of(there)
        detail = detail or _credentials_trouble(source, there) or _unreached(source, there, said)
    except KubeError as error:
        detail = detail or f"{target}: {error.what}"
    return Link(
        source=source.cluster.name,
        target=target,
        server=server,
        alive=not detail,
        detail=detail,
        services=said["numberOfServices"] if said else None,
        latency_ms=said["latency"] if said and said["alive"] else None,
    )


def _credentials_trouble(source: Kube, there: Kube) -> str:
    target = there.cluster.name
    known = source.get(_credentials(target))
    if known is None:
        return f"the credentials for {target} are not there"
    token = (there.get(_TOKEN) or {}).get("data", {}).get("token", "")
    kubeconfig = b64decode((known.get("data") or {}).get("kubeconfig", "")).decode()
    if not token or b64decode(token).decode() not in kubeconfig:
        return f"the credentials for {target} were revoked there"
    return ""


def _unreached(source: Kube, there: Kube, said: Mapping[str, Any] | None) -> str:
    name, target = source.cluster.name, there.cluster.name
    if not provider().wire.reaches(source.cluster, network.node_address(there), network.API_PORT):
        return f"{name} does not reach {target}'s API server: mirrors no longer follow {target}"
    if words := not_serving(there.get(multicluster.DEPLOYMENT)):
        return f"{target}'s gateway: {words}"
    if said is None:
        return "its service mirror does not answer"
    return "" if said["alive"] else f"the service mirror does not reach {target}'s gateway"


def _credentials(target: str) -> Ref:
    return Ref(api_version="v1", kind="Secret", name=f"cluster-credentials-{target}", namespace=multicluster.NAMESPACE)


def _linked(kube: Kube) -> list[str]:
    """Return the clusters that a cluster has Links to."""
    found = kube.find(multicluster.LINK_API, "Link", namespace=multicluster.NAMESPACE)
    return [obj["spec"]["targetClusterName"] for obj in found]


def _said_by_mirrors(lab: Lab, cluster: Cluster) -> dict[str, Mapping[str, Any]]:
    """Return what `linkerd multicluster gateways` says of each target; nothing where it says nothing."""
    try:
        found = control_plane.cli_of(lab).gateways(
            kubeconfig=cluster.kubeconfig, context=cluster.context, timeout_s=ASK_S
        )
    except (CommandError, ValueError):
        return {}
    return {str(entry["clusterName"]): entry for entry in found}
