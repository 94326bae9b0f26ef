"""Ingress, mesh and applications → the collector, and from there to Jaeger if it is chosen.

The three wires end at the same place, so each check looks for the name under which its own sender's spans come
(`service.name` of their resource), and only among the spans of the last seconds. The names are those of upstream's
sources; each is the default unless an option sets another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lab.base.names import NAMESPACE as APPS
from lab.initialize import ingresses
from lab.initialize.collector import COLLECTOR
from lab.initialize.ingresses import INGRESSES, OBSERVABILITY
from lab.initialize.model import ApplyStage, ClusterChoice, StagedObjects, WireCheck, Wiring
from lab.initialize.options.apps import TRACED_AS
from lab.initialize.options.mesh import TRACES
from lab.initialize.options.observability import JAEGER
from lab.initialize.wires import questions

_COLLECTOR = frozenset({COLLECTOR})
_SENDERS = {
    # Istio: the application's or else the workload's name, and the namespace (getServiceCluster in pkg/bootstrap).
    "istio-gateway": f"{INGRESSES['istio-gateway'].service}.{INGRESSES['istio-gateway'].namespace}",
    # The Gateway's name and its namespace (internal/utils/naming).
    "envoy-gateway": f"{INGRESSES['envoy-gateway'].gateway}.{INGRESSES['envoy-gateway'].namespace}",
    # python/…/envoy/v3/v3tracing.py
    "emissary": "ambassador",
    # pkg/config/static/static_config.go
    "traefik": "traefik",
}
"""The `service.name` of each ingress that sends spans. Not Contour: it sends them only inside of its own namespace."""
_FRESH = ("--since=30s", "--tail=5000")
"""The part of the log that counts: spans arrive 5 s after their request; `--tail` bounds the answer under load."""


def _ingress(choice: ClusterChoice) -> Iterator[StagedObjects]:
    id_, ingress = ingresses.of(choice)
    if id_ == "envoy-gateway":
        allowed = {
            "apiVersion": "gateway.networking.k8s.io/v1beta1",
            "kind": "ReferenceGrant",
            "metadata": {"name": "traces-of-the-ingress", "namespace": OBSERVABILITY},
            "spec": {
                "from": [
                    {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "namespace": ingress.namespace},
                ],
                "to": [{"group": "", "kind": "Service", "name": COLLECTOR}],
            },
        }
        yield StagedObjects(stage=ApplyStage.WIRING, objects=[allowed])


def _mesh(choice: ClusterChoice) -> Iterator[StagedObjects]:
    del choice
    telemetry = {
        "apiVersion": "telemetry.istio.io/v1",
        "kind": "Telemetry",
        "metadata": {"name": "traces", "namespace": "istio-system"},
        "spec": {"tracing": [{"providers": [{"name": TRACES}], "randomSamplingPercentage": 100}]},
    }
    yield StagedObjects(stage=ApplyStage.WIRING, objects=[telemetry])


def _ingress_checks(choice: ClusterChoice) -> Iterator[WireCheck]:
    yield from _arrives(choice, _SENDERS[ingresses.of(choice)[0]], "the ingress")


def _mesh_checks(choice: ClusterChoice) -> Iterator[WireCheck]:
    """Yield the check of podinfo's proxy; without podinfo, of the gateway: no other proxy gets requests."""
    if choice.has("podinfo"):
        yield from _arrives(choice, f"podinfo.{APPS}", "podinfo's proxy")
    elif choice.has("istio-gateway"):
        yield from _arrives(choice, _SENDERS["istio-gateway"], "the gateway's proxy")


def _apps_checks(choice: ClusterChoice) -> Iterator[WireCheck]:
    yield from _arrives(choice, TRACED_AS, "podinfo itself")


def _arrives(choice: ClusterChoice, sender: str, title: str) -> Iterator[WireCheck]:
    """Yield the check that the last receiver, the collector or Jaeger behind it, has logged spans of one sender."""
    request = questions.podinfo_request(choice)
    receiver, name = (JAEGER, "Jaeger") if choice.has(JAEGER) else (COLLECTOR, "the collector")
    yield WireCheck(
        proves=f"spans of {title} reach {name}",
        ask=(f"--namespace={OBSERVABILITY}", "logs", f"deployment/{receiver}", *_FRESH),
        # Names end before what could continue them: podinfo is another sender than podinfo.test.
        expects=rf"ResourceTraces #\d+.* service\.name={re.escape(sender)}(?![\w.-])",
        words=f"a line `ResourceTraces …` with `service.name={sender}`",
        before=request,
        # If KEDA has scaled podinfo to zero, the request starts it first.
        within_s=120,
    )
    if choice.has(JAEGER):
        yield WireCheck(
            proves=f"Jaeger shows {title}",
            ask=questions.service(OBSERVABILITY, JAEGER, 16686, "/jaeger/api/services"),
            expects=rf'"{re.escape(sender)}"',
            before=request,
            within_s=90,
        )


def _wire(
    name: str,
    says: str,
    end: frozenset[str],
    checks: Callable[[ClusterChoice], Iterator[WireCheck]],
    parts: Callable[[ClusterChoice], Iterator[StagedObjects]] = lambda _: iter(()),
) -> Wiring:
    return Wiring(id=f"traces-{name}", says=says, ends=(end, _COLLECTOR), parts=parts, checks=checks)


WIRES = (
    _wire(
        "ingress",
        "The ingress sends a span of each request to the collector.",
        frozenset(_SENDERS),
        _ingress_checks,
        _ingress,
    ),
    _wire("mesh", "Istio's proxies send their spans to the collector.", frozenset({"istio"}), _mesh_checks, _mesh),
    _wire("apps", "podinfo sends its spans to the collector.", frozenset({"podinfo"}), _apps_checks),
)
