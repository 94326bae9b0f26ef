"""KEDA → Prometheus → ingress: podinfo's replicas follow the requests at the ingress, down to zero."""

from __future__ import annotations

from collections.abc import Iterator

from lab.base.names import NAMESPACE as APPS
from lab.initialize import ingresses
from lab.initialize.ingresses import INGRESSES, OBSERVABILITY
from lab.initialize.model import ApplyStage, ClusterChoice, StagedObjects, WireCheck, Wiring
from lab.initialize.wires import questions

_METRIC = (
    f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{APPS}/s0-prometheus"
    "?labelSelector=scaledobject.keda.sh%2Fname%3Dpodinfo"
)
"""The number by which podinfo is scaled, as the autoscaler asks KEDA for it: the first trigger, of type prometheus."""


def _parts(choice: ClusterChoice) -> Iterator[StagedObjects]:
    # Counted at the ingress: a podinfo without pods counts nothing. Not `rate`: Envoy's count of answers of a class
    # begins with the first one, so that a new series has no earlier sample, and its rate is 0.
    served = ingresses.of(choice)[1].served
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
    yield StagedObjects(stage=ApplyStage.WIRING, objects=[scaled])


def _checks(choice: ClusterChoice) -> Iterator[WireCheck]:
    request = questions.podinfo_request(choice)
    # Not the condition Ready, which stays when KEDA is gone: KEDA asks Prometheus anew for each of these answers.
    yield WireCheck(
        proves="KEDA reads the ingress's requests of the last minute from Prometheus",
        ask=("get", f"--raw={_METRIC}"),
        expects=r'"value": ?"[1-9]',
        words=questions.ABOVE_ZERO,
        before=request,
        within_s=120,
    )
    yield WireCheck(
        proves="the requests of the last minute make KEDA run podinfo",
        ask=questions.condition(APPS, "scaledobject", "podinfo", "Active"),
        expects="True",
        before=request,
        within_s=120,
    )
    yield WireCheck(
        proves="a request at the ingress starts podinfo",
        ask=questions.field(APPS, "deployment", "podinfo", "{.status.readyReplicas}"),
        expects="[1-9]",
        before=request,
        within_s=120,
    )


WIRE = Wiring(
    id="scaling",
    says="KEDA scales podinfo by the requests at the ingress, which Prometheus counts; without requests, to zero.",
    ends=(frozenset({"keda"}), frozenset({"prometheus"}), frozenset(INGRESSES), frozenset({"podinfo"})),
    parts=_parts,
    checks=_checks,
)
