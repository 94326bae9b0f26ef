"""Links on Linkerd: check each hop from the source to its target, and report the first one that fails.

The service mirrors' report (`linkerd multicluster gateways`) does not cover API servers, and gives no reason if a
gateway is not alive; so the lab checks each hop itself as well.
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
from lab.mesh.ask import ASK_S
from lab.mesh.gateways import not_serving
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
    reports, linked = _mirror_reports(lab, source.cluster), _linked(source)
    targets = {*multicluster.linked(lab, source.cluster.name), *linked}
    return [_link(lab, source, target, linked, reports.get(target)) for target in sorted(targets)]


def _link(lab: Lab, source: Kube, target: str, linked: list[str], report: Mapping[str, Any] | None) -> Link:
    """Check the hops of a link, nearest to the source first."""
    detail, server = "", None
    if target not in linked:
        detail = f"there is no Link to {target}"
    try:
        there = connect(lab.clusters[target], timeout_s=ASK_S)
        server = network.server_of(there)
        detail = detail or _credentials_problem(source, there) or _unreached(source, there, report)
    except KubeError as error:
        detail = detail or f"{target}: {error.what}"
    return Link(
        source=source.cluster.name,
        target=target,
        server=server,
        alive=not detail,
        detail=detail,
        services=report["numberOfServices"] if report else None,
        latency_ms=report["latency"] if report and report["alive"] else None,
    )


def _credentials_problem(source: Kube, there: Kube) -> str:
    target = there.cluster.name
    secret = source.get(_credentials(target))
    if secret is None:
        return f"the credentials for {target} are missing"
    token = (there.get(_TOKEN) or {}).get("data", {}).get("token", "")
    kubeconfig = b64decode((secret.get("data") or {}).get("kubeconfig", "")).decode()
    if not token or b64decode(token).decode() not in kubeconfig:
        return f"the credentials for {target} were revoked there"
    return ""


def _unreached(source: Kube, there: Kube, report: Mapping[str, Any] | None) -> str:
    name, target = source.cluster.name, there.cluster.name
    if not provider().wire.reaches(source.cluster, network.node_address(there), network.API_PORT):
        return f"{name} does not reach {target}'s API server: mirrors no longer follow {target}"
    if reason := not_serving(there.get(multicluster.DEPLOYMENT)):
        return f"{target}'s gateway: {reason}"
    if report is None:
        return "its service mirror does not answer"
    return "" if report["alive"] else f"the service mirror does not reach {target}'s gateway"


def _credentials(target: str) -> Ref:
    return Ref(api_version="v1", kind="Secret", name=f"cluster-credentials-{target}", namespace=multicluster.NAMESPACE)


def _linked(kube: Kube) -> list[str]:
    """Return the clusters that a cluster has Links to."""
    links = kube.find(multicluster.LINK_API, "Link", namespace=multicluster.NAMESPACE)
    return [link["spec"]["targetClusterName"] for link in links]


def _mirror_reports(lab: Lab, cluster: Cluster) -> dict[str, Mapping[str, Any]]:
    """Return the output of `linkerd multicluster gateways` by target; empty if the service mirrors do not answer."""
    try:
        gateways = control_plane.cli_of(lab).gateways(
            kubeconfig=cluster.kubeconfig, context=cluster.context, timeout_s=ASK_S
        )
    except (CommandError, ValueError):
        return {}
    return {str(entry["clusterName"]): entry for entry in gateways}
