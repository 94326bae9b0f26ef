"""What wires know of each ingress: its Gateway, its Service, and the metric that counts requests to a service.

Four of the ingresses have the Gateway API; Emissary has Mappings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.base.names import NAMESPACE as APPS
from lab.initialize.model import ClusterChoice
from lab.kube.objects import Obj

GATEWAY_API = "gateway.networking.k8s.io/v1"
EMISSARY_API = "getambassador.io/v3alpha1"
TRACING = "TracingService"
"""The kind by which Emissary is told where it sends spans."""
EMISSARY_LABEL = {"app.kubernetes.io/part-of": "eastwest-lab"}
"""The Mappings that the lab's Host serves (`lab.stacks.linkerd.emissary.routes`)."""
AUTH, OBSERVABILITY = "auth", "observability"
"""Namespaces of the options for authentication and observability."""
ROUTED = (APPS, AUTH, OBSERVABILITY)
"""Namespaces whose routes the Gateways accept."""


TLS = "ingress-tls"
"""The Secret with the certificate of the Gateway, in its namespace."""


@dataclass(frozen=True, kw_only=True)
class IngressFacts:
    """An ingress: the namespace of its proxies, its Gateway and class (empty for Emissary), its Service and port."""

    namespace: str
    service: str
    gateway: str = ""
    gateway_class: str = ""
    port: int = 80
    counter: str = "envoy_cluster_upstream_rq_xx"
    """Prometheus' name of Envoy's count of answers by class, those without a backend (503) included."""
    podinfo: str = ""
    """PromQL's label matcher of the counter for requests to podinfo."""

    @property
    def served(self) -> str:
        """PromQL: the counter of requests to podinfo."""
        return f"{self.counter}{{{self.podinfo}}}"


@dataclass(frozen=True, kw_only=True)
class Route:
    """A path prefix at the ingress and the Service behind it; `strip` removes the prefix."""

    path: str
    service: str
    port: int
    strip: bool = False


INGRESSES: Mapping[str, IngressFacts] = {
    "istio-gateway": IngressFacts(
        namespace="istio-ingress",
        service="ingress-istio",
        gateway="ingress",
        gateway_class="istio",
        # Istio's bootstrap has tags of its own, which take the class out of the name (envoy_bootstrap.json).
        counter="envoy_cluster_upstream_rq",
        podinfo=f'cluster_name="outbound|9898||podinfo.{APPS}.svc.cluster.local"',
    ),
    "envoy-gateway": IngressFacts(
        namespace="envoy-gateway-system",
        service="ingress",
        gateway="ingress",
        gateway_class="envoy-gateway",
        podinfo=f'envoy_cluster_name=~"httproute/{APPS}/podinfo/rule/.*"',
    ),
    "contour": IngressFacts(
        namespace="projectcontour",
        service="envoy",
        gateway="ingress",
        gateway_class="contour",
        podinfo=f'envoy_cluster_name="{APPS}_podinfo_9898"',
    ),
    "traefik": IngressFacts(
        namespace="traefik",
        service="traefik",
        gateway="ingress",
        gateway_class="traefik",
        counter="traefik_router_requests_total",
        podinfo=f'router=~"httproute-{APPS}-podinfo-.*"',
    ),
    "emissary": IngressFacts(
        namespace="emissary",
        service="emissary-ingress",
        podinfo='envoy_cluster_name=~".*podinfo.*9898.*"',
    ),
}


def of(choice: ClusterChoice) -> tuple[str, IngressFacts]:
    """Return the chosen ingress with its id."""
    return next((id_, ingress) for id_, ingress in INGRESSES.items() if id_ in choice.chosen)


def routes(choice: ClusterChoice, name: str, namespace: str, paths: Sequence[Route]) -> list[Obj]:
    """Return the objects that route path prefixes at the chosen ingress to Services of one namespace."""
    id_, ingress = of(choice)
    if id_ == "emissary":
        return [_mapping(f"{name}-{n}", namespace, route) for n, route in enumerate(paths)]
    return [
        {
            "apiVersion": GATEWAY_API,
            "kind": "HTTPRoute",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "parentRefs": [
                    {"name": ingress.gateway, "namespace": ingress.namespace, "sectionName": name}
                    for name in (("http", "https") if choice.has("cert-manager") else ("http",))
                ],
                "rules": [_rule(route) for route in paths],
            },
        }
    ]


def _rule(route: Route) -> Obj:
    rule: Obj = {"matches": [{"path": {"type": "PathPrefix", "value": route.path}}]}
    if route.strip:
        rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
        rule["filters"] = [{"type": "URLRewrite", "urlRewrite": rewrite}]
    return {**rule, "backendRefs": [{"name": route.service, "port": route.port}]}


def _mapping(name: str, namespace: str, route: Route) -> Obj:
    spec: Obj = {
        "hostname": "*",
        "prefix": route.path,
        "service": f"{route.service}.{namespace}:{route.port}",
        "timeout_ms": 60_000,
    }
    if not route.strip:
        spec["rewrite"] = ""
    metadata = {"name": name, "namespace": "emissary", "labels": dict(EMISSARY_LABEL)}
    return {"apiVersion": EMISSARY_API, "kind": "Mapping", "metadata": metadata, "spec": spec}


def listeners(*, tls: bool) -> list[Obj]:
    """Return the listeners of a Gateway: HTTP, and HTTPS with the certificate of `TLS`."""
    accepted = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(ROUTED)}]}
    allowed = {"allowedRoutes": {"namespaces": {"from": "Selector", "selector": accepted}}}
    http: Obj = {"name": "http", "port": 80, "protocol": "HTTP", **allowed}
    certificate = {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": TLS}]}
    https: Obj = {"name": "https", "port": 443, "protocol": "HTTPS", "tls": certificate, **allowed}
    return [http, https] if tls else [http]


def gateway(ingress: IngressFacts, *, tls: bool, controller: str, parameters: Obj | None = None) -> list[Obj]:
    """Return the Gateway of an ingress, and its class."""
    spec: Obj = {"controllerName": controller}
    if parameters:
        spec["parametersRef"] = parameters
    return [
        {
            "apiVersion": GATEWAY_API,
            "kind": "GatewayClass",
            "metadata": {"name": ingress.gateway_class},
            "spec": spec,
        },
        {
            "apiVersion": GATEWAY_API,
            "kind": "Gateway",
            "metadata": {"name": ingress.gateway, "namespace": ingress.namespace},
            "spec": {"gatewayClassName": ingress.gateway_class, "listeners": listeners(tls=tls)},
        },
    ]
