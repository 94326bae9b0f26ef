"""Protocols of a mesh, one for each group of commands. Every stack's mesh implements `Mesh`; four others are optional.

Methods that list something do not fail for a cluster that does not answer: its gateways and links are not alive, and
their detail gives the reason. Methods that change something raise UsageError if the change is impossible, before they
change anything, and ClusterError if it fails; the same call again completes a change that was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from lab.base.errors import UsageError
from lab.mesh.capabilities import Capability
from lab.mesh.model import (
    Caller,
    Export,
    Failover,
    Gateway,
    GatewayWorkload,
    Hop,
    Identity,
    IngressRoute,
    Intercept,
    Link,
    Permission,
    Refusals,
    Split,
    TlsEntrance,
)


class Gateways(Protocol):
    """Gateways, and links between clusters."""

    def gateways(self, clusters: Iterable[str] | None = None) -> list[Gateway]:
        """Return the gateways of these clusters; of all for None."""

    def gateway_workloads(self, cluster: str) -> Sequence[GatewayWorkload]:
        """Return the objects of the gateways that a cluster has by lab.toml; asks no cluster."""

    def links(self, sources: Iterable[str] | None = None) -> list[Link]:
        """Return the links of these source clusters; of all for None."""

    def link(self, source: str, target: str) -> None:
        """Link `source` to `target`, so that it discovers the target's services."""

    def unlink(self, source: str, target: str) -> bool:
        """Delete a link, and with it the target's endpoints in `source`; return False if there was none."""

    def forget(self, cluster: str) -> None:
        """Delete, in all other clusters, what they know of a cluster: links, credentials, exports from it.

        Sends nothing to the cluster itself. Requests under way to it end as they would have.
        """

    def tls_entrance(self, cluster: str, service: str, port: int) -> TlsEntrance:
        """Return the TLS parameters for a client that calls a service through the cluster's gateway.

        Raises:
            ClusterError: the cluster has no gateway with an address.
        """


class Identities(Protocol):
    """Identities of workloads, and mutual TLS."""

    def identities(self, clusters: Iterable[str] | None = None) -> list[Identity]:
        """Return the identities of clusters, without clusters that do not answer."""

    @property
    def refusals(self) -> Refusals:
        """The answers with which the proxies refuse requests."""

    def identity_of(self, caller: Caller) -> str:
        """Return the identity in a workload's certificate: a SPIFFE ID in Istio, a DNS name in Linkerd."""

    def require_mtls(self, cluster: str, *, required: bool = True) -> None:
        """Require mutual TLS for all workloads of a cluster, as after `lab up`, or accept plain text."""


class Exports(Protocol):
    """Exported services, which the other clusters call by a name such as `podinfo-east`."""

    def export(self, service: str, source: str) -> list[tuple[str, str]]:
        """Export a service of `source` to all other clusters; a second call follows a change of its ports.

        Returns:
            (name of the export, importing cluster) for each of them.

        Raises:
            UsageError: the service does not exist, or cannot be exported.
        """

    def unexport(self, service: str, source: str) -> bool:
        """Delete an export; return False if there was none."""

    def exports(self, clusters: Iterable[str] | None = None) -> list[Export]:
        """Return the exported services that clusters know."""


class Splits(Protocol):
    """Splits: requests divided by weight."""

    def split(self, cluster: str, service: str, weights: Mapping[str, int]) -> Split:
        """Divide a cluster's requests to a service by weight, and return the split as read back from the cluster.

        Args:
            cluster: the callers' cluster.
            service: the called name.
            weights: weights by service name: the service itself (its pods in this cluster) or an export of it.

        Raises:
            UsageError: a name does not exist in the cluster, or the weights are invalid.
        """

    def unsplit(self, cluster: str, service: str) -> bool:
        """Delete a split; return False if there was none."""

    def splits(self, clusters: Iterable[str] | None = None) -> list[Split]:
        """Return the splits of clusters."""


class Failovers(Protocol):
    """Failovers: one cluster is the primary, another the backup."""

    def fail_over(self, wanted: Failover) -> None:
        """Prefer the primary's endpoints of a service, and retry failed requests at the backup's.

        Raises:
            UsageError: the service does not exist, or its requests are split.
        """

    def unfail_over(self, cluster: str, service: str) -> bool:
        """Delete a failover; return False if there was none."""

    def failovers(self, clusters: Iterable[str] | None = None) -> list[Failover]:
        """Return the failovers of clusters."""


class Permissions(Protocol):
    """Permissions: the callers of a service, by identity."""

    def authorize(self, permission: Permission) -> None:
        """Allow the permission's callers and refuse all others.

        Raises:
            ClusterError: the service does not exist.
        """

    def unauthorize(self, cluster: str, service: str) -> bool:
        """Delete a permission, which allows every workload of the mesh again; return False if there was none."""

    def permissions(self, clusters: Iterable[str] | None = None) -> list[Permission]:
        """Return the permissions of clusters."""


class Intercepts(Protocol):
    """Intercepts: requests sent to another service."""

    def intercept(self, wanted: Intercept) -> None:
        """Send requests with a header, or all, to another service of the same cluster.

        Raises:
            UsageError: one of the services does not exist, or requests to the first are split or fail over.
        """

    def remove_intercept(self, cluster: str, service: str) -> bool:
        """Delete an intercept; return False if there was none."""

    def intercepts(self, clusters: Iterable[str] | None = None) -> list[Intercept]:
        """Return the intercepts of clusters."""


class IngressRoutes(Protocol):
    """Ingress routes: requests to another cluster that pass through its ingress."""

    def add_ingress_route(self, service: str, source: str) -> IngressRoute:
        """Route other clusters' requests to a service through the ingress of `source`, beside its east-west gateway.

        Raises:
            UsageError: the service does not exist, or does not have exactly one HTTP port.
        """

    def remove_ingress_route(self, service: str, source: str) -> bool:
        """Delete an ingress route; return False if there was none."""

    def ingress_routes(self, clusters: Iterable[str] | None = None) -> list[IngressRoute]:
        """Return the ingress routes of clusters."""


@runtime_checkable
class DirectExports(Protocol):
    """Optional: exports without a gateway, on a flat network."""

    def export_direct(self, service: str, source: str) -> list[tuple[str, str]]:
        """Export a service of `source` as `SERVICE-direct`, whose callers reach its pods themselves.

        `Exports.unexport` of that name deletes it.

        Returns:
            (name of the export, importing cluster) for each of them.

        Raises:
            UsageError: as `Exports.export`, or the lab's network is not flat.
        """

    def direct_exports(self, clusters: Iterable[str] | None = None) -> list[tuple[str, str]]:
        """Return the direct exports of clusters, also incomplete ones: (name such as podinfo-direct, cluster)."""


@runtime_checkable
class Federation(Protocol):
    """Optional: federated services, which join the Services of one name in all clusters, on a flat network."""

    def federate(self, service: str) -> tuple[str, ...]:
        """Join the Services of this name into `SERVICE-federated`, and return the clusters whose pods are in it.

        Raises:
            UsageError: the lab's network is not flat, or fewer than two clusters have the service.
        """

    def unfederate(self, service: str) -> bool:
        """Delete a federated service; return False if there was none."""

    def federated(self, clusters: Iterable[str] | None = None) -> list[str]:
        """Return the services that are members of federated services."""


@runtime_checkable
class TrafficSplits(Protocol):
    """Optional: SMI TrafficSplits, which upstream has deprecated."""

    def split_smi(self, cluster: str, service: str, weights: Mapping[str, int]) -> Split:
        """Divide a cluster's requests with a TrafficSplit, as `Splits.split`; install the SMI extension if needed.

        Raises:
            UsageError: as `Splits.split`.
            ArtifactError: an artifact of the extension is unavailable.
        """


@runtime_checkable
class CountedIdentities(Protocol):
    """Optional: metrics of the proxies that contain the peer's identity."""

    def hops(self, source: str, target: str, service: str, *, caller: str) -> list[Hop]:
        """Return the peers that the proxies on the way to a service of another cluster have counted.

        Args:
            source: the caller's cluster.
            target: the service's cluster.
            service: its name there.
            caller: name of the caller's Deployment.

        Raises:
            CommandError: a proxy does not answer.
        """


class Mesh(
    Gateways,
    Identities,
    Exports,
    Splits,
    Failovers,
    Permissions,
    Intercepts,
    IngressRoutes,
    Protocol,
):
    """A mesh across the lab's clusters."""

    @property
    def name(self) -> str:
        """Name of the stack."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Capabilities of the mesh in this lab."""


_OPTIONAL: Mapping[Capability, type] = {
    Capability.DIRECT: DirectExports,
    Capability.FEDERATE: Federation,
    Capability.SPLIT_SMI: TrafficSplits,
    Capability.COUNTED_IDENTITIES: CountedIdentities,
}
"""The optional capabilities and their protocols."""
_WITHOUT_METHODS = frozenset({Capability.MERGED_SERVICE, Capability.RESEND, Capability.NODES, Capability.ADDRESSES})
"""Capabilities that a mesh adds itself, and those of the clusters, which `lab.scenario.context` adds."""


def offered(mesh: Mesh) -> frozenset[Capability]:
    """Return the capabilities that follow from the protocols that a mesh implements."""
    not_in_all = {*_OPTIONAL, *_WITHOUT_METHODS}
    return frozenset(
        c for c in Capability if c not in not_in_all or (c in _OPTIONAL and isinstance(mesh, _OPTIONAL[c]))
    )


def lacking(mesh: Mesh, capability: Capability, *, next: str) -> UsageError:  # noqa: A002
    """Return the error for a command that needs a capability which this mesh lacks."""
    return UsageError(f"the {mesh.name} stack cannot {capability.value}", next=next)
