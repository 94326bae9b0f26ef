"""Links on Linkerd: check each hop from the source to its target, and report the first one that fails.

The service mirrors' report (`linkerd multicluster gateways`) does not cover API servers, and gives no reason if a
gateway is not alive; so the lab checks each hop itself as well.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.base.errors import ClusterError, CommandError
from lab.base.names import Cluster
from lab.clusters import addresses, provider
from lab.kube import Kube
from lab.kube.objects import Ref
from lab.lab import Lab
from lab.mesh.ask import ASK_S, each
from lab.mesh.gateways import not_serving
from lab.mesh.model import Link
from lab.stacks.linkerd import control_plane, multicluster

_TOKEN = Ref(
    api_version="v1",
    kind="Secret",
    name="linkerd-service-mirror-remote-access-default-token",
    namespace=multicluster.NAMESPACE,
)
_CREDENTIALS = "cluster-credentials-"


@dataclass(frozen=True, kw_only=True)
class _Target:
    """What a link needs of its target; `gateway` is the gateway's problem, empty if it serves."""

    server: str
    token: str
    gateway: str


@dataclass(frozen=True, kw_only=True)
class _Source:
    """What a cluster has of its links: by target, whether there is a Link, and the kubeconfig of its credentials.

    `reports` are those of its service mirrors, `reaches` the addresses of API servers that its node can connect to;
    None for an existing cluster, whose node the lab does not ask.
    """

    linked: Sequence[str]
    kubeconfigs: Mapping[str, str]
    reports: Mapping[str, Mapping[str, Any]]
    reaches: frozenset[tuple[str, int]] | None


def listed(lab: Lab, sources: Sequence[str]) -> list[Link]:
    """Return the links that clusters have or should have. The lab asks each cluster once, not for each link."""
    names = [name for name in lab.clusters if any(name in multicluster.linked(lab, source) for source in sources)]
    targets = each(lab, names, _target, lambda _, error: error)
    ends = [addresses.end_of(one.server) for one in targets.values() if isinstance(one, _Target)]
    found = each(lab, sources, lambda kube: _source(lab, kube, ends), lambda _, error: error)
    return [link for name, one in found.items() for link in _of_source(lab, name, one, targets)]


def _of_source(
    lab: Lab, source: str, found: _Source | ClusterError, targets: Mapping[str, _Target | ClusterError]
) -> Iterator[Link]:
    wanted = multicluster.linked(lab, source)
    if isinstance(found, ClusterError):
        for target in wanted:
            yield Link(source=source, target=target, server=None, alive=False, detail=found.what)
        return
    for target in sorted({*wanted, *found.linked}):
        there = targets.get(target) or ClusterError("it is not a target in this lab", where=target)
        detail = "" if target in found.linked else f"there is no Link to {target}"
        report = found.reports.get(target)
        if isinstance(there, ClusterError):
            detail = detail or f"{target}: {there.what}"
        else:
            detail = detail or _problem(source, target, found, there)
        yield Link(
            source=source,
            target=target,
            server=there.server if isinstance(there, _Target) else None,
            alive=not detail,
            detail=detail,
            services=report["numberOfServices"] if report else None,
            latency_ms=report["latency"] if report and report["alive"] else None,
        )


def _problem(source: str, target: str, found: _Source, there: _Target) -> str:
    """Return the first hop of a link that fails, nearest to the source first."""
    report = found.reports.get(target)
    if target not in found.kubeconfigs:
        return f"the credentials for {target} are missing"
    if not there.token or there.token not in found.kubeconfigs[target]:
        return f"the credentials for {target} were revoked there"
    if found.reaches is not None and addresses.end_of(there.server) not in found.reaches:
        return f"{source} does not reach {target}'s API server: mirrors no longer follow {target}"
    if there.gateway:
        return f"{target}'s gateway: {there.gateway}"
    if report is None:
        return "its service mirror does not answer"
    return "" if report["alive"] else f"the service mirror does not reach {target}'s gateway"


def _target(kube: Kube) -> _Target | ClusterError:
    token = (kube.get(_TOKEN) or {}).get("data", {}).get("token", "")
    try:
        server = addresses.api_server(kube)
    except ClusterError as error:
        return error
    return _Target(
        server=server,
        token=b64decode(token).decode(),
        gateway=not_serving(kube.get(multicluster.DEPLOYMENT)),
    )


def _source(lab: Lab, kube: Kube, ends: Sequence[tuple[str, int]]) -> _Source | ClusterError:
    linked = _linked(kube)
    secrets = kube.find("v1", "Secret", namespace=multicluster.NAMESPACE) if linked else []
    kubeconfigs = {
        obj["metadata"]["name"].removeprefix(_CREDENTIALS): b64decode(
            (obj.get("data") or {}).get("kubeconfig", "")
        ).decode()
        for obj in secrets
        if obj["metadata"]["name"].startswith(_CREDENTIALS)
    }
    has_links = bool(linked)
    return _Source(
        linked=linked,
        kubeconfigs=kubeconfigs,
        reports=_mirror_reports(lab, kube.cluster) if has_links else {},
        reaches=_reaches(kube.cluster, ends) if has_links else frozenset(),
    )


def _reaches(source: Cluster, ends: Sequence[tuple[str, int]]) -> frozenset[tuple[str, int]] | None:
    return None if source.existing else provider().wire.reaches(source, ends)


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
