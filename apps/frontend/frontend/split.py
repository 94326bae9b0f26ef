"""The configured weights of an upstream, as the mesh has them: HTTPRoute, VirtualService or TrafficSplit.

The lab writes them in lab/stacks/linkerd/split.py, traffic_split.py and lab/stacks/istio/split.py; a route that
somebody wrote by hand counts as well.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from frontend.config import Settings, Upstream
from frontend.kubernetes import ApiServerError, Cached, Kubernetes, Obj

HTTP_ROUTES = ("gateway.networking.k8s.io/v1", "httproutes")
VIRTUAL_SERVICES = ("networking.istio.io/v1", "virtualservices")
TRAFFIC_SPLITS = ("split.smi-spec.io/v1alpha2", "trafficsplits")
# The lab's own names (lab/mesh/weights.py, lab/stacks/*/failover.py): a failover is a route too, with its own meaning.
_FAILOVER, _PRIMARY, _BACKUP = "eastwest.lab/failover", "eastwest.lab/primary", "eastwest.lab/backup"


class State(StrEnum):
    """What is configured for an upstream."""

    SPLIT = "split"
    FAILOVER = "failover"
    NONE = "none"
    UNKNOWN = "unknown"  # the API did not tell


@dataclass(frozen=True, kw_only=True)
class Weight:
    """One backend of a split. `cluster` is None where its name does not tell it."""

    backend: str
    cluster: str | None
    weight: int


@dataclass(frozen=True, kw_only=True)
class Split:
    """What is configured, and the object that says so."""

    state: State
    kind: str = ""
    name: str = ""
    weights: tuple[Weight, ...] = ()
    primary: str | None = None
    backup: str | None = None

    def as_json(self) -> dict[str, object]:
        """The split as the API shows it; `share` is 0 to 1."""
        total = sum(one.weight for one in self.weights)
        failover = {"primary": self.primary, "backup": self.backup} if self.state is State.FAILOVER else None
        return {
            "state": self.state,
            "source": {"kind": self.kind, "name": self.name} if self.kind else None,
            "weights": [
                {
                    "backend": one.backend,
                    "cluster": one.cluster,
                    "weight": one.weight,
                    "share": round(one.weight / total, 6) if total else 0.0,
                }
                for one in self.weights
            ],
            "failover": failover,
        }


Lists = tuple[list[Obj], list[Obj], list[Obj]]


class SplitReader:
    """Reads the splits of all upstreams; the API is called at most once a second, for all pages together."""

    def __init__(self, settings: Settings, kubernetes: Kubernetes | None) -> None:
        self._settings = settings
        self._kubernetes = kubernetes
        self._lists = Cached(self._read)

    async def read(self, upstream: Upstream) -> Split:
        """Return what is configured for an upstream.

        Raises:
            ApiServerError: the API did not tell.
        """
        return find(upstream, *await self._lists.get(), own_cluster=self._settings.cluster)

    async def _read(self) -> Lists:
        if self._kubernetes is None:
            raise ApiServerError(
                "this frontend runs outside of a cluster, so it does not know the configured weights",
                next_step="set KUBERNETES_API_URL, for example to the address of `kubectl proxy`",
            )
        splits, routes, services = await self._kubernetes.find(TRAFFIC_SPLITS, HTTP_ROUTES, VIRTUAL_SERVICES)
        return splits, routes, services


def find(
    upstream: Upstream,
    traffic_splits: Iterable[Obj],
    http_routes: Iterable[Obj],
    virtual_services: Iterable[Obj],
    *,
    own_cluster: str,
) -> Split:
    """Return the split of an upstream.

    A TrafficSplit comes first, as in Linkerd's proxy: it uses a ServiceProfile instead of routes.
    """
    address = urlsplit(upstream.url)
    host = address.hostname or ""
    # Outside of a cluster the host is an address: then the upstream has the Service's name.
    outside = host == "localhost" or re.fullmatch(r"[\d.]+|.*:.*", host)
    service, port = (upstream.name, None) if outside else (host.partition(".")[0], address.port or 80)
    found = [
        *(_of_traffic_split(obj, service, own_cluster) for obj in traffic_splits),
        *(_of_http_route(obj, service, port, own_cluster) for obj in http_routes),
        *(_of_virtual_service(obj, service, port, own_cluster) for obj in virtual_services),
    ]
    return next((split for split in found if split is not None), Split(state=State.NONE))


def _of_traffic_split(obj: Obj, service: str, own_cluster: str) -> Split | None:
    spec = _map(obj.get("spec"))
    if _short(spec.get("service")) != service:
        return None
    weights = [(_short(one.get("service")), one.get("weight")) for one in _maps(spec.get("backends"))]
    return _split(obj, "TrafficSplit", service, weights, own_cluster)


def _of_http_route(obj: Obj, service: str, port: int | None, own_cluster: str) -> Split | None:
    spec = _map(obj.get("spec"))
    parents = _maps(spec.get("parentRefs"))
    if not any(one.get("kind") == "Service" and one.get("name") == service and _is_port(one, port) for one in parents):
        return None
    for rule in _maps(spec.get("rules")):
        matches = _maps(rule.get("matches"))
        if not matches or any(_is_any_path(match) for match in matches):
            weights = [(str(one.get("name")), one.get("weight", 1)) for one in _maps(rule.get("backendRefs"))]
            return _split(obj, "HTTPRoute", service, weights, own_cluster)
    return None


def _of_virtual_service(obj: Obj, service: str, port: int | None, own_cluster: str) -> Split | None:
    spec = _map(obj.get("spec"))
    hosts = spec.get("hosts")
    if not isinstance(hosts, list) or service not in map(_short, hosts):
        return None
    for rule in _maps(spec.get("http")):
        matches = _maps(rule.get("match"))
        if matches and not any(set(one) <= {"port", "name"} and _is_port(one, port) for one in matches):
            continue
        weights = []
        for one in _maps(rule.get("route")):
            destination = _map(one.get("destination"))
            host, subset = _short(destination.get("host")), destination.get("subset")
            elsewhere = isinstance(subset, str) and subset != own_cluster
            weights.append((f"{host}-{subset}" if elsewhere else host, one.get("weight", 0)))
        return _split(obj, "VirtualService", service, weights, own_cluster)
    return None


def _split(obj: Obj, kind: str, service: str, weights: Sequence[tuple[str, object]], own_cluster: str) -> Split | None:
    metadata = _map(obj.get("metadata"))
    labels, name = _map(metadata.get("labels")), str(metadata.get("name"))
    backends = tuple(
        Weight(backend=backend, cluster=_cluster(service, backend, own_cluster), weight=weight)
        for backend, weight in weights
        if isinstance(weight, int)
    )
    if _FAILOVER in labels:
        return Split(
            state=State.FAILOVER,
            kind=kind,
            name=name,
            weights=backends,
            primary=_text(labels.get(_PRIMARY)),
            backup=_text(labels.get(_BACKUP)),
        )
    # With one backend there is nothing to split: such a route only gives a service another name, or retries.
    return Split(state=State.SPLIT, kind=kind, name=name, weights=backends) if len(backends) > 1 else None


def _cluster(service: str, backend: str, own_cluster: str) -> str | None:
    """The cluster of a backend: `podinfo` is this cluster's, `podinfo-east` is East's (lab/mesh/names.py)."""
    if backend == service:
        return own_cluster
    if not backend.startswith(f"{service}-") or backend == f"{service}-federated":
        return None
    return backend.removeprefix(f"{service}-")


def _is_any_path(match: Mapping[str, object]) -> bool:
    path = _map(match.get("path"))
    return set(match) <= {"path"} and path.get("value", "/") == "/"


def _is_port(part: Mapping[str, object], port: int | None) -> bool:
    return port is None or part.get("port", port) == port


def _short(host: object) -> str:
    return str(host).partition(".")[0]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _maps(value: object) -> list[Mapping[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
