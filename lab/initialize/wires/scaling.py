"""KEDA → Prometheus → ingress: podinfo's replicas follow the requests at the ingress, down to zero."""

from __future__ import annotations

from collections.abc import Iterator

from lab.base.names import NAMESPACE as APPS
from lab.initialize import ingresses
from lab.initialize.ingresses import INGRESSES, OBSERVABILITY
from lab.initialize.model import ApplyStage, ClusterChoice, Part, WireCheck, Wiring
from lab.initialize.wires import asking


def _parts(site: ClusterChoice) -> Iterator[Part]:
    # Counted at the ingress: a podinfo without pods counts nothing. Not `rate`: Envoy's count of answers of a class
    # begins with the first one, so that a new series has no earlier sample, and its rate is 0.
    served = ingresses.of(site)[1].served
    query = f"clamp_min(sum({served}) - (sum({served} offset 1m) or vector(0)), 0)"
    trigger = {
        "type": "prometheus",
        "metadata": {
            "serverAddress": f"http://prometheus.{OBSERVABILITY}.svc.cluster.local:9090/prometheus",
            "query": query,
            # Requests of the last minute, for each replica.
            "threshold": "300",
            "activationThreshold": "0",
        },
    }
    scaled = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "podinfo", "namespace": APPS},
        "spec": {
            "scaleTargetRef": {"name": "podinfo"},
            "minReplicaCount": 0,
            "maxReplicaCount": 3,
            "pollingInterval": 5,
            "cooldownPeriod": 60,
            "triggers": [trigger],
        },
    }
    yield Part(stage=ApplyStage.WIRING, objects=[scaled])


def _checks(site: ClusterChoice) -> Iterator[WireCheck]:
    _, ingress = ingresses.of(site)
    yield WireCheck(
        proves="KEDA reads the ingress's requests from Prometheus",
        ask=asking.condition(APPS, "scaledobject", "podinfo", "Ready"),
        expects="True",
        within_s=120,
    )
    yield WireCheck(
        proves="a request at the ingress starts podinfo",
        ask=asking.field(APPS, "deployment", "podinfo", "{.status.readyReplicas}"),
        expects="[1-9]",
        before=(asking.at_ingress(ingress, "/podinfo/"),),
        within_s=120,
    )


WIRE = Wiring(
    id="scaling",
    says="KEDA scales podinfo by the requests at the ingress, which Prometheus counts; without requests, to zero.",
    ends=(frozenset({"keda"}), frozenset({"prometheus"}), frozenset(INGRESSES), frozenset({"podinfo"})),
    parts=_parts,
    checks=_checks,
)
