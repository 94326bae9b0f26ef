"""The data of a mesh: gateways, links, exports, identities, and the objects that route or restrict requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lab.kube.objects import Ref


@dataclass(frozen=True, kw_only=True)
class GatewayWorkload:
    """The objects of a gateway. `pods` is the label selector of its pods, `port` the one that other clusters call.

    `replicas` is the number of pods that the lab wants.
    """

    role: str
    name: str
    service: Ref
    deployment: Ref
    port: int
    pods: str
    replicas: int = 1


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """A gateway of a cluster. `role` is "ingress" or "east-west"; `detail` is the problem if it is not alive.

    It is alive with one ready pod. `ready` is the number of ready pods, `wanted` that of pods in lab.toml; `pods` is
    the label selector of its pods; `identity` the name in its certificate, empty if it does not end TLS.
    """

    cluster: str
    name: str
    role: str
    address: str | None
    port: int
    alive: bool
    detail: str = ""
    ready: int = 0
    wanted: int = 1
    pods: str = ""
    identity: str = ""

    @property
    def problem(self) -> str:
        """Why it is not alive, or how many pods it lacks; empty if it is complete."""
        if not self.alive:
            return self.detail or "not alive"
        return f"{self.ready} of {self.wanted} ready" if self.ready < self.wanted else ""


@dataclass(frozen=True, kw_only=True)
class Link:
    """The mesh of `source` discovers the services of `target`. `server` is the API server that it watches.

    `services` (their number) and `latency_ms` (to the target's gateway) are None if the mesh does not report them.
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
    """A service that runs in `source` and is called `name` in the clusters `seen_in`.

    `endpoints` is the number of its ready endpoints in the source, None if the source does not answer.
    """

    service: str
    source: str
    name: str
    seen_in: tuple[str, ...]
    endpoints: int | None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The identity of a cluster: its trust domain, trust anchor (SHA-256 fingerprint, hexadecimal) and issuer.

    `names` is the pattern of its workloads' identities, with … for the part that differs.
    """

    cluster: str
    trust_domain: str
    names: str
    anchor_fingerprint: str
    anchor_ends: datetime
    issuer_ends: datetime


@dataclass(frozen=True, kw_only=True)
class Split:
    """The weights by which a cluster's requests to a service are divided, by service name such as `podinfo-east`.

    `smi`: by an SMI TrafficSplit, which upstream has deprecated, instead of the mesh's own kind of route.
    """

    cluster: str
    service: str
    weights: Mapping[str, int]
    smi: bool = False


@dataclass(frozen=True, kw_only=True, order=True)
class Caller:
    """A workload that sends requests, named by cluster, namespace and service account."""

    cluster: str
    namespace: str
    service_account: str


@dataclass(frozen=True, kw_only=True)
class Permission:
    """The only callers that may call a service of a cluster. Empty methods or paths mean any."""

    cluster: str
    service: str
    callers: tuple[Caller, ...]
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Failover:
    """A cluster's requests to a service go to the endpoints in `primary`; if those fail, to those in `backup`.

    If those fail as well, they go to the `further` clusters, in this order.
    """

    cluster: str
    service: str
    primary: str
    backup: str
    further: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[str, ...]:
        """All clusters, the primary first."""
        return (self.primary, self.backup, *self.further)


@dataclass(frozen=True, kw_only=True)
class Intercept:
    """A cluster's requests to `service` with exactly this `header: value` go to the service `to` instead.

    Without a header, all requests go there.
    """

    cluster: str
    service: str
    to: str
    header: str = ""
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class Hop:
    """A mutual TLS peer of a proxy, from the proxy's own metrics.

    `at` is the proxy, as CLUSTER/WORKLOAD; `client` and `server` are the identities of the peer that called it and
    of the peer that it called, each empty if the metric does not contain it; `count` is the number of requests or
    connections; `said` is the metric's line.
    """

    at: str
    client: str
    server: str
    count: int
    said: str


@dataclass(frozen=True, kw_only=True)
class TlsEntrance:
    """The TLS parameters with which a client without a proxy reaches a service behind a cluster's gateway.

    The client connects to the address with this server name and ALPN protocol, and sends `preface` before its request.
    `identity` is the name in the server's certificate.
    """

    address: str
    port: int
    server_name: str
    alpn: str
    identity: str
    preface: bytes = b""


@dataclass(frozen=True, kw_only=True)
class ProxyAnswer:
    """The pattern of the HTTP answer with which a proxy refuses a request itself.

    `headers` maps names in lower case to regular expressions that match the whole value, an empty one for a header
    that must be missing; `body` is a regular expression that matches anywhere in the body.
    """

    by: str
    statuses: frozenset[int]
    headers: Mapping[str, str]
    bare: bool = False
    body: str = ""


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """The answers with which a mesh's proxies refuse requests.

    | field | proxy | refuses |
    | --- | --- | --- |
    | `denied` | the server's | a caller of the mesh without permission |
    | `denied_plain` | the server's | a caller without an identity; None if it closes the connection instead |
    | `no_backend` | the caller's | a request for which it reaches no endpoint |
    """

    denied: ProxyAnswer
    denied_plain: ProxyAnswer | None
    no_backend: ProxyAnswer


@dataclass(frozen=True, kw_only=True)
class IngressRoute:
    """A route through the ingress of `source` to a service there; the other clusters call it by `name`.

    `carrier` is the ingress as a caller of the service, `entrance` the URL at which `source` accepts such requests
    from callers with an identity.
    """

    service: str
    source: str
    name: str
    carrier: Caller
    entrance: str
