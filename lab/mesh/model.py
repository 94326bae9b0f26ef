"""The nouns of a mesh: gateways, links, exports, splits, permissions and what else changes requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


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

    `endpoints` is how many of its pods are ready in the source, None while the source does not answer.
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
class Intercept:
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
    """How a TLS client without a proxy reaches a service behind a cluster's gateway.

    It connects to the address with this server name and application protocol, and sends `preface` before its request.
    `identity` is that of the certificate which the client meets there.
    """

    address: str
    port: int
    server_name: str
    alpn: str
    identity: str
    preface: bytes = b""


@dataclass(frozen=True, kw_only=True)
class ProxyAnswer:
    """The HTTP answer of a proxy that refuses a request itself, and the marks by which it is recognised.

    `headers` maps names in lower case to regular expressions of the whole value, an empty one for a header that must
    be missing; `body` is a regular expression that is searched for.
    """

    by: str
    statuses: frozenset[int]
    headers: Mapping[str, str]
    bare: bool = False
    body: str = ""


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """How a mesh's proxies refuse.

    `denied`: the server's proxy, a caller of the mesh that a permission does not let in. `denied_plain`: the same, a
    caller without an identity, where the proxy reads its request at all. `no_backend`: the caller's proxy, a request
    for which it reaches no endpoint.
    """

    denied: ProxyAnswer
    denied_plain: ProxyAnswer | None
    no_backend: ProxyAnswer


@dataclass(frozen=True, kw_only=True)
class IngressRoute:
    """A service of `source` that the source's ingress carries; the other clusters call it by `name`.

    `carrier` is who the ingress is, `entrance` the URL at which its cluster takes such requests from callers with an
    identity.
    """

    service: str
    source: str
    name: str
    carrier: Caller
    entrance: str
