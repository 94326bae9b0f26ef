"""What a mesh offers, one protocol for each capability. `Mesh` is what every stack's mesh has; the others are optional.

Questions about clusters that do not answer are answered as far as possible: what exists there is not alive, and its
detail says why. Changes raise ClusterError and leave nothing half done that the same call would not finish.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from lab.base.errors import ClusterError
from lab.mesh.capabilities import Capability
from lab.mesh.model import (
    Caller,
    Export,
    Failover,
    Gateway,
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
    """Gateways, and which cluster sees which."""

    def gateways(self, clusters: Iterable[str] | None = None) -> list[Gateway]:
        """Return the gateways of all clusters, or of some."""

    def links(self, sources: Iterable[str] | None = None) -> list[Link]:
        """Return who sees whom, of all source clusters or of some."""

    def link(self, source: str, target: str) -> None:
        """Let a cluster see what runs in another one."""

    def unlink(self, source: str, target: str) -> bool:
        """Take a link away, and with it the other cluster's endpoints; False when there was none."""

    def tls_entrance(self, cluster: str, service: str, port: int) -> TlsEntrance:
        """Return how a client with a certificate of its own reaches a port of a service, by the cluster's gateway.

        Raises:
            ClusterError: the cluster has no gateway with an address.
        """


class Identities(Protocol):
    """Identities, and whether plain text is refused."""

    def identities(self, clusters: Iterable[str] | None = None) -> list[Identity]:
        """Return the identities that clusters have; those that do not answer are left out."""

    @property
    def refusals(self) -> Refusals:
        """How the proxies refuse a request."""

    def identity_of(self, caller: Caller) -> str:
        """Return the identity that a workload's certificate carries: a SPIFFE ID, or what the mesh has instead."""

    def require_mtls(self, cluster: str, *, required: bool = True) -> None:
        """Refuse plain text to all of a cluster's workloads, as `lab up` leaves it, or let it in."""


class Exports(Protocol):
    """Services that other clusters know under a name of their own."""

    def export(self, service: str, source: str) -> list[tuple[str, str]]:
        """Make a service of `source` known in all other clusters; doing it again follows a change of its ports.

        Returns:
            Its name there and the cluster, for each of them.

        Raises:
            ClusterError: the service does not exist.
        """

    def unexport(self, service: str, source: str) -> bool:
        """Take an export back; False when there was none."""

    def exports(self, clusters: Iterable[str] | None = None) -> list[Export]:
        """Return the exported services that clusters see."""


class Splits(Protocol):
    """Requests divided by weight."""

    def split(self, cluster: str, service: str, weights: Mapping[str, int]) -> Split:
        """Divide a cluster's requests to a service by weight, and return the split as the cluster has it then.

        Args:
            cluster: whose requests.
            service: which name is called.
            weights: parts by service name: the service itself (as it runs in this cluster) or an exported one.

        Raises:
            ClusterError: a name is not known in the cluster, or the weights are invalid.
        """

    def unsplit(self, cluster: str, service: str) -> bool:
        """Take a split away; False when there was none."""

    def splits(self, clusters: Iterable[str] | None = None) -> list[Split]:
        """Return the splits that clusters have."""


class Failovers(Protocol):
    """One cluster preferred, another as backup."""

    def fail_over(self, wanted: Failover) -> None:
        """Prefer one cluster's endpoints of a service, and repeat what fails in the other.

        Raises:
            ClusterError: the service does not exist, or its requests are split already.
        """

    def unfail_over(self, cluster: str, service: str) -> bool:
        """Take a failover away; False when there was none."""

    def failovers(self, clusters: Iterable[str] | None = None) -> list[Failover]:
        """Return the failovers that clusters have."""


class Permissions(Protocol):
    """Who may call a service."""

    def authorize(self, permission: Permission) -> None:
        """Let these callers in and refuse all others.

        Raises:
            ClusterError: the service does not exist.
        """

    def unauthorize(self, cluster: str, service: str) -> bool:
        """Take a permission away, so that everybody in the mesh is let in again; False when there was none."""

    def permissions(self, clusters: Iterable[str] | None = None) -> list[Permission]:
        """Return the permissions that clusters have."""


class Intercepts(Protocol):
    """Requests sent to another service."""

    def intercept(self, wanted: Intercept) -> None:
        """Send some or all requests to a service to another one of the same cluster; the others stay as before.

        Raises:
            ClusterError: one of the services does not exist, or requests to the first are split or fail over already.
        """

    def remove_intercept(self, cluster: str, service: str) -> bool:
        """Take a diversion away; False when there was none."""

    def intercepts(self, clusters: Iterable[str] | None = None) -> list[Intercept]:
        """Return the diversions that clusters have."""


class IngressRoutes(Protocol):
    """Services that another cluster's ingress carries."""

    def add_ingress_route(self, service: str, source: str) -> IngressRoute:
        """Let the ingress of `source` carry other clusters' requests to a service, beside the mesh's own gateway.

        Raises:
            ClusterError: the service does not exist, or the mesh cannot.
        """

    def remove_ingress_route(self, service: str, source: str) -> bool:
        """Take that path away; False when there was none."""

    def ingress_routes(self, clusters: Iterable[str] | None = None) -> list[IngressRoute]:
        """Return the services that ingresses carry."""


@runtime_checkable
class Federation(Protocol):
    """Optional: services of the same name joined into one, on a flat network."""

    def federate(self, service: str) -> tuple[str, ...]:
        """Make the services of this name one, `SERVICE-federated`, and return the clusters whose pods are in it.

        Raises:
            ClusterError: the mesh or the lab's network cannot, or fewer than two clusters have the service.
        """

    def unfederate(self, service: str) -> bool:
        """Take a federated service apart; False when there was none."""

    def federated(self, clusters: Iterable[str] | None = None) -> list[str]:
        """Return the services that are members of federated ones."""


@runtime_checkable
class TrafficSplits(Protocol):
    """Optional: SMI TrafficSplits, which upstream has deprecated."""

    def split_smi(self, cluster: str, service: str, weights: Mapping[str, int]) -> Split:
        """Divide a cluster's requests with a TrafficSplit, as `Splits.split`; installs what it needs.

        Raises:
            ClusterError: as `Splits.split`.
            ArtifactError: what a TrafficSplit needs is unavailable.
        """


@runtime_checkable
class CountedIdentities(Protocol):
    """Optional: proxies whose metrics name the identity at the other end."""

    def hops(self, source: str, target: str, service: str, *, caller: str) -> list[Hop]:
        """Return what the proxies on the way to a service of another cluster count of each other's identities.

        Args:
            source: the caller's cluster.
            target: the service's cluster.
            service: its name there.
            caller: the Deployment that calls.

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
        """Name of the product."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""


_OFFERS: Mapping[Capability, type] = {
    Capability.FEDERATE: Federation,
    Capability.SPLIT_SMI: TrafficSplits,
    Capability.COUNTED_IDENTITIES: CountedIdentities,
}
"""The capabilities that not every mesh has, by the protocol that offers them. `MERGED_SERVICE` is a mesh's own word."""


def offered(mesh: Mesh) -> frozenset[Capability]:
    """Return the capabilities that follow from the protocols that a mesh implements."""
    optional = {*_OFFERS, Capability.MERGED_SERVICE}
    return frozenset(c for c in Capability if c not in optional or (c in _OFFERS and isinstance(mesh, _OFFERS[c])))


def lacking(mesh: Mesh, capability: Capability, *, next: str) -> ClusterError:  # noqa: A002
    """Return the error for a command that this mesh cannot execute."""
    return ClusterError(f"the {mesh.name} stack cannot {capability.value}", next=next)
