"""Failure accrual: a caller's proxy stops to use an endpoint that is Ready and fails.

It is an annotation of the called Service, and holds for the endpoints of all backends of its routes, a gateway in
front of another cluster included (linkerd2, policy-controller/k8s/index/src/outbound/index.rs, parse_accrual_config).

| value | reason |
| --- | --- |
| 5 failures in a row | the death of a gateway fails the few requests under way; that must not shut out its other pods |
| pauses of 1, 2, 2 … s | one request after each tries the endpoint: few while it fails, soon when it is back |
"""

from __future__ import annotations

from lab.kube import Kube, owned
from lab.kube.objects import annotations_of
from lab.kube.owned import Grounds
from lab.mesh.names import service_ref

MAX_FAILURES = 5
_MODE = "balancer.linkerd.io/failure-accrual"
ANNOTATIONS = {
    _MODE: "consecutive",
    f"{_MODE}-consecutive-max-failures": str(MAX_FAILURES),
    f"{_MODE}-consecutive-max-penalty": "2s",
}


def switch_on(kube: Kube, service: str) -> None:
    """Count the failures of a called Service's endpoints, unless a person has chosen how."""
    found = annotations_of(kube.get(service_ref(service)) or {"metadata": {}})
    if _MODE not in found:
        owned.change(kube, service_ref(service), {"metadata": {"annotations": ANNOTATIONS}}, grounds=Grounds.FAILURES)


def switch_off(kube: Kube, service: str) -> bool:
    """Remove the annotations, unless a person has changed them; False if nothing was removed."""
    found = annotations_of(kube.get(service_ref(service)) or {"metadata": {}})
    if any(found.get(name) != value for name, value in ANNOTATIONS.items()):
        return False
    removed = {"metadata": {"annotations": dict.fromkeys(ANNOTATIONS)}}
    owned.change(kube, service_ref(service), removed, grounds=Grounds.FAILURES)
    return True
