"""Ingress, mesh and applications → the collector, and from there to Jaeger if it is chosen."""

from __future__ import annotations

from collections.abc import Iterator

from lab.initialize import ingresses
from lab.initialize.ingresses import EMISSARY_API, INGRESSES, OBSERVABILITY
from lab.initialize.model import ApplyStage, ClusterChoice, Part, WireCheck, Wiring
from lab.initialize.options.mesh import TRACES
from lab.initialize.wires import asking

_COLLECTOR = frozenset({"otel-collector"})


def _ingress(site: ClusterChoice) -> Iterator[Part]:
    id_, ingress = ingresses.of(site)
    if id_ == "envoy-gateway":
        allowed = {
            "apiVersion": "gateway.networking.k8s.io/v1beta1",
            "kind": "ReferenceGrant",
            "metadata": {"name": "traces-of-the-ingress", "namespace": OBSERVABILITY},
            "spec": {
                "from": [
                    {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "namespace": ingress.namespace},
                ],
                "to": [{"group": "", "kind": "Service", "name": "otel-collector"}],
            },
        }
        yield Part(stage=ApplyStage.WIRING, objects=[allowed])
    if id_ == "emissary":
        service = {
            "apiVersion": EMISSARY_API,
            "kind": "TracingService",
            "metadata": {"name": "otel-collector", "namespace": ingress.namespace},
            "spec": {"driver": "opentelemetry", "service": f"otel-collector.{OBSERVABILITY}:4317"},
        }
        yield Part(stage=ApplyStage.WIRING, objects=[service])


def _mesh(site: ClusterChoice) -> Iterator[Part]:
    del site
    telemetry = {
        "apiVersion": "telemetry.istio.io/v1",
        "kind": "Telemetry",
        "metadata": {"name": "traces", "namespace": "istio-system"},
        "spec": {"tracing": [{"providers": [{"name": TRACES}], "randomSamplingPercentage": 100}]},
    }
    yield Part(stage=ApplyStage.WIRING, objects=[telemetry])


def _checks(site: ClusterChoice) -> Iterator[WireCheck]:
    """Yield the check that spans of a request arrive; a request makes spans of all that it passes."""
    request: tuple[tuple[str, ...], ...] = ()
    if site.has(*INGRESSES):
        request = (asking.at_ingress(ingresses.of(site)[1], "/podinfo/"),)
    if site.has("jaeger"):
        ask = asking.service(OBSERVABILITY, "jaeger", 16686, "/jaeger/api/services")
        yield WireCheck(proves="Jaeger has spans", ask=ask, expects=r'"data":\["', before=request, within_s=90)
        return
    ask = (f"--namespace={OBSERVABILITY}", "logs", "deployment/otel-collector", "--tail=200")
    yield WireCheck(
        proves="the collector logs spans", ask=ask, expects=r'"?spans"?: ?[1-9]', before=request, within_s=90
    )


WIRES = (
    Wiring(
        id="traces-ingress",
        says="The ingress sends a span of each request to the collector.",
        # Not Contour: it sends spans only to a Service of its own namespace.
        ends=(frozenset({"istio-gateway", "envoy-gateway", "emissary", "traefik"}), _COLLECTOR),
        parts=_ingress,
        checks=_checks,
    ),
    Wiring(
        id="traces-mesh",
        says="Istio's proxies send their spans to the collector.",
        ends=(frozenset({"istio"}), _COLLECTOR),
        parts=_mesh,
        checks=_checks,
    ),
    Wiring(
        id="traces-apps",
        says="podinfo sends its spans to the collector.",
        ends=(frozenset({"podinfo"}), _COLLECTOR),
        checks=_checks,
    ),
)
