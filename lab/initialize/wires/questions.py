"""The questions of checks, as kubectl commands: a request through the API server, a query to Prometheus, an object."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from lab.initialize import ingresses
from lab.initialize.dashboards import Dashboard
from lab.initialize.ingresses import INGRESSES, OBSERVABILITY, IngressFacts
from lab.initialize.model import ClusterChoice


def service(namespace: str, name: str, port: int, path: str) -> tuple[str, ...]:
    """Return the command that requests a path of a Service through the API server's proxy."""
    return ("get", f"--raw=/api/v1/namespaces/{namespace}/services/{name}:{port}/proxy{path}")


def at_ingress(ingress: IngressFacts, path: str) -> tuple[str, ...]:
    """Return the command that requests a path of the ingress."""
    return service(ingress.namespace, ingress.service, ingress.port, path)


def podinfo_request(choice: ClusterChoice) -> tuple[tuple[str, ...], ...]:
    """Return the command that sends podinfo a request, by way of the ingress; none without an ingress.

    It comes before what podinfo, its proxy or the ingress tells of requests, and starts a podinfo that KEDA has scaled
    to zero.
    """
    return (at_ingress(ingresses.of(choice)[1], "/podinfo/"),) if choice.has(*INGRESSES) else ()


def dashboard(of: Dashboard, path: str = "") -> tuple[str, ...]:
    """Return the command that requests a dashboard itself, not through the ingress."""
    return service(of.namespace, of.service, of.port, path or of.healthy)


def prometheus(query: str) -> tuple[str, ...]:
    """Return the command that sends a query to Prometheus."""
    return service(OBSERVABILITY, "prometheus", 9090, f"/prometheus/api/v1/query?query={quote(query, safe='()')}")


def shown(metric: str, label: str, value: str) -> str:
    """Return the expression of a metric above zero with this label, in Prometheus' text format."""
    return rf'(?m)^{metric}[a-z_]*\{{[^\n]*\b{label}="{re.escape(value)}"[^\n]*\}} (?!0(?:\s|$))'


ABOVE_ZERO = "a number above zero in `value`"
HAS_RESULT = r'"value":\[[0-9.]+,"(?!0")[0-9.e+]+"\]'
"""Prometheus' answer with a number above zero."""


def field(namespace: str, kind: str, name: str, path: str) -> tuple[str, ...]:
    """Return the command that reads a field of an object."""
    place = (f"--namespace={namespace}",) if namespace else ()
    return (*place, "get", kind, name, f"--output=jsonpath={path}")


def condition(namespace: str, kind: str, name: str, of_type: str) -> tuple[str, ...]:
    """Return the command that reads the status of an object's condition."""
    return field(namespace, kind, name, f"{{.status.conditions[?(@.type=={json.dumps(of_type)})].status}}")
