"""The mesh's nouns, and the questions that every mesh answers. Nothing here does anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol


class Capability(Enum):
    """What a mesh can do. A scenario names what it needs; one that a mesh lacks is a skip with its reason."""

    EXPORT = "export a service under a name of its own"
    FEDERATE = "make services of the same name one, on a flat network"
    MERGED_SERVICE = "spread a service of the same name over clusters by itself"
    SPLIT = "split requests by weight"
    FAILOVER = "prefer one cluster's endpoints, and another's when they fail"
    SPLIT_SMI = "split requests by an SMI TrafficSplit"
    MTLS = "mutual TLS from workload to workload"
    AUTHORIZE_IDENTITY = "allow callers by identity, across clusters"
    AUTHORIZE_REQUEST = "allow callers by method and path"
    DIVERT = "send requests with a chosen header to another service"
    COUNTED_IDENTITIES = "tell by the proxies' own metrics who spoke to whom"
    CARRY = "let the other cluster's ingress carry requests to a service, with mutual TLS"


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """A gateway of a cluster. `role` is "ingress" or "east-west"; `detail` says what is wrong when it is not alive.

    `pods` is the label selector of its pods; `identity` what its certificate says, empty where it ends no TLS.
    """

    cluster: str
    name: str
    role: str
    address: str | None
    port: int
    alive: bool
    detail: str = ""
    pods: str = ""
    identity: str = ""


@dataclass(frozen=True, kw_only=True)
class Link:
    """`source` sees what runs in `target`. `server` is the API server that it watches for that.

    `services` and `latency_ms` (to the target's gateway) are None where the mesh does not say them.
    """

    source: str
    target: str
    server: str | None
    alive: bool
    detail: str = ""
    services: int | None = None
    latency_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class Export:
    """A service that runs in `source` and is known as `name` in the clusters `seen_in`.

    `endpoints` is how many of its pods are ready in the source, None while the source cannot be asked.
    """

    service: str
    source: str
    name: str
    seen_in: tuple[str, ...]
    endpoints: int | None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whom a cluster's workloads are, and whom they trust: fingerprints are SHA-256, hexadecimal.

    `names` is the form of its workloads' identities, with … for what differs.
    """

    cluster: str
    trust_domain: str
    names: str
    anchor_fingerprint: str
    anchor_ends: datetime
    issuer_ends: datetime


@dataclass(frozen=True, kw_only=True)
class Split:
    """How a cluster's requests to a service are divided. `weights` maps service names, `podinfo-east` among them.

    `smi`: by an SMI TrafficSplit, which upstream has deprecated, instead of the mesh's present way.
    """

    cluster: str
    service: str
    weights: Mapping[str, int]
    smi: bool = False


@dataclass(frozen=True, kw_only=True, order=True)
class Caller:
    """A workload's identity: which service account of which namespace, in which cluster."""

    cluster: str
    namespace: str
    service_account: str


@dataclass(frozen=True, kw_only=True)
class Permission:
    """Who may call a service of a cluster; everybody else is refused. Empty methods or paths mean any."""

    cluster: str
    service: str
    callers: tuple[Caller, ...]
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Failover:
    """A cluster's requests to a service go to `primary`'s endpoints while they work, else to `backup`'s."""

    cluster: str
    service: str
    primary: str
    backup: str


@dataclass(frozen=True, kw_only=True)
class Divert:
    """A cluster's requests to `service` that carry `header` with exactly this `value` go to the service `to` instead.

    Without a header all of them go there.
    """

    cluster: str
    service: str
    to: str
    header: str = ""
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class Hop:
    """Whom a proxy spoke to with mutual TLS, as its own metrics count it.

    `at` is the proxy, as CLUSTER/WORKLOAD; `client` is who asked it, `server` whom it asked, each empty where the
    metric does not say it; `count` how often, requests or connections; `said` the metric.
    """

    at: str
    client: str
    server: str
    count: int
    said: str


@dataclass(frozen=True, kw_only=True)
class TlsEntrance:
    """How a TLS client that is no proxy asks a cluster's gateway for a service behind it.

    It connects to the address with this server name and application protocol, and sends `preface` before its request.
    """

    address: str
    port: int
    server_name: str
    alpn: str
    preface: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Carried:
    """A service of `source` that the source's ingress carries; the other clusters call it by `name`.

    `carrier` is who the ingress is, `entrance` the URL at which its cluster takes such requests from callers with an
    identity.
    """

    service: str
    source: str
    name: str
    carrier: Caller
    entrance: str


class Mesh(Protocol):
    """A mesh across the lab's clusters.

    Questions about clusters that do not answer are answered as far as they can be: what is there is not alive, and
    its detail says so. Changes raise ClusterError and leave nothing half done that the same call would not finish.
    """

    @property
    def name(self) -> str:
        """Name of the product."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""

    def gateways(self, clusters: Iterable[str] | None = None) -> list[Gateway]:
        """Return the gateways of all clusters, or of some."""

    def links(self, sources: Iterable[str] | None = None) -> list[Link]:
        """Return who sees whom, of all source clusters or of some."""

    def link(self, source: str, target: str) -> None:
        """Let a cluster see what runs in another one."""

    def unlink(self, source: str, target: str) -> bool:
        """Take a link away, and with it the other cluster's endpoints; False when there was none."""

    def identities(self, clusters: Iterable[str] | None = None) -> list[Identity]:
        """Return the identities that clusters have; those that do not answer are left out."""

    def spiffe_id(self, caller: Caller) -> str:
        """Return the identity that a workload's certificate carries: a SPIFFE ID, or what the mesh has instead."""

    def hops(self, source: str, target: str, service: str, *, caller: str) -> list[Hop]:
        """Return what the proxies on the way to a service of another cluster count of each other's identities.

        Args:
            source: the caller's cluster.
            target: the service's cluster.
            service: its name there.
            caller: the Deployment that calls.

        Raises:
            CommandError: a proxy can't be asked.
            ClusterError: the mesh's proxies do not count identities.
        """

    def tls_entrance(self, cluster: str, service: str, port: int) -> TlsEntrance:
        """Return how a client with a certificate of its own reaches a port of a service, by the cluster's gateway.

        Raises:
            ClusterError: the cluster has no gateway with an address.
        """

    def export(self, service: str, source: str) -> list[tuple[str, str]]:
        """Make a service of `source` known in all other clusters; doing it again follows a change of its ports.

        Returns:
            Its name there and the cluster, for each of them.

        Raises:
            ClusterError: the service is not there.
        """

    def unexport(self, service: str, source: str) -> bool:
        """Take an export back; False when there was none."""

    def exports(self, clusters: Iterable[str] | None = None) -> list[Export]:
        """Return the exported services that clusters see."""

    def split(self, cluster: str, service: str, weights: Mapping[str, int], *, smi: bool = False) -> Split:
        """Divide a cluster's requests to a service by weight, and return the split as the cluster has it then.

        Args:
            cluster: whose requests.
            service: which name is called.
            weights: parts by service name: the service itself (as it runs in this cluster) or an exported one.
            smi: write an SMI TrafficSplit; what that needs is installed where it is not there.

        Raises:
            ClusterError: a name is not known in the cluster, the weights cannot be, or the mesh has no TrafficSplit.
            ArtifactError: what a TrafficSplit needs can't be had.
        """

    def unsplit(self, cluster: str, service: str) -> bool:
        """Take a split away; False when there was none."""

    def splits(self, clusters: Iterable[str] | None = None) -> list[Split]:
        """Return the splits that clusters have."""

    def fail_over(self, wanted: Failover) -> None:
        """Prefer one cluster's endpoints of a service, and repeat what fails in the other.

        Raises:
            ClusterError: the service is not there, or its requests are split already.
        """

    def unfail_over(self, cluster: str, service: str) -> bool:
        """Take a failover away; False when there was none."""

    def failovers(self, clusters: Iterable[str] | None = None) -> list[Failover]:
        """Return the failovers that clusters have."""

    def require_mtls(self, cluster: str, *, required: bool = True) -> None:
        """Refuse plain text to all of a cluster's workloads, as `lab up` leaves it, or let it in."""

    def authorize(self, permission: Permission) -> None:
        """Let these callers in and refuse all others.

        Raises:
            ClusterError: the service is not there.
        """

    def unauthorize(self, cluster: str, service: str) -> bool:
        """Take a permission away, so that everybody in the mesh is let in again; False when there was none."""

    def permissions(self, clusters: Iterable[str] | None = None) -> list[Permission]:
        """Return the permissions that clusters have."""

    def divert(self, divert: Divert) -> None:
        """Send some or all requests to a service to another one of the same cluster; the others go on as before.

        Raises:
            ClusterError: one of the services is not there, or requests to the first are split or fail over already.
        """

    def undivert(self, cluster: str, service: str) -> bool:
        """Take a diversion away; False when there was none."""

    def diverts(self, clusters: Iterable[str] | None = None) -> list[Divert]:
        """Return the diversions that clusters have."""

    def carry(self, service: str, source: str) -> Carried:
        """Let the ingress of `source` carry other clusters' requests to a service, beside the mesh's own gateway.

        Raises:
            ClusterError: the service is not there, or the mesh cannot.
        """

    def uncarry(self, service: str, source: str) -> bool:
        """Take that path away; False when there was none."""

    def carried(self, clusters: Iterable[str] | None = None) -> list[Carried]:
        """Return the services that ingresses carry."""

    def federate(self, service: str) -> tuple[str, ...]:
        """Make the services of this name one, `SERVICE-federated`, and return the clusters whose pods are in it.

        Raises:
            ClusterError: the mesh or the lab's network cannot, or fewer than two clusters have the service.
        """

    def unfederate(self, service: str) -> bool:
        """Take a federated service apart; False when there was none."""

    def federated(self, clusters: Iterable[str] | None = None) -> list[str]:
        """Return the services that are members of federated ones."""
