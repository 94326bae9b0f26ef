"""Commands that scale East's east-west gateway, and run kubectl on it, for each stack."""

from __future__ import annotations

from collections.abc import Mapping

from lab.scenario.actions import Command, On, on

_OLDEST = "KUBECTL get pods --selector=LABEL --sort-by=.metadata.creationTimestamp"
_PLACES = {
    "linkerd": ("linkerd-multicluster", "app=linkerd-gateway"),
    "istio": ("istio-system", "gateway.networking.k8s.io/gateway-name=eastwest"),
}
"""By the stack: the gateway's namespace, and the label of its Deployment and pods."""


def commands(*templates: str) -> On:
    """Return commands for each stack; OLDEST, KUBECTL and LABEL in the templates are replaced."""
    by_stack = {}
    for stack, (namespace, label) in _PLACES.items():
        values = {
            "OLDEST": f"{_OLDEST} --output=name | head -n 1",
            "KUBECTL": f"kubectl --context={{east}} --namespace={namespace}",
            "LABEL": label,
        }
        by_stack[stack] = tuple(Command(_filled(template, values), timeout_s=100) for template in templates)
    return on(**by_stack)


def _filled(template: str, values: Mapping[str, str]) -> str:
    for word, value in values.items():
        template = template.replace(word, value)
    return template


GONE = "KUBECTL wait --for=delete pods --selector=LABEL --timeout=90s"
"""Template of a command that waits until the gateway's pods are gone; they serve for a while after their deletion."""
IS_READY = "KUBECTL rollout status deployment --selector=LABEL --timeout=90s"
"""Template of a command that waits until the gateway has its pods."""


def scaling(pods: int | str) -> str:
    """Return the template of a command that gives the gateway this number of pods."""
    return f"KUBECTL scale deployment --selector=LABEL --replicas={pods}"


def scaled(pods: int | str) -> On:
    """Return commands that give the gateway this number of pods; it can be a placeholder."""
    return commands(scaling(pods), IS_READY)
