"""The answers with which Istio's proxies refuse requests (Envoy, RBAC filter and router)."""

from __future__ import annotations

from lab.mesh.model import ProxyAnswer, Refusals

_UPSTREAM_TIME = "x-envoy-upstream-service-time"
"""The caller's proxy sets this header if the answer came from another server."""

REFUSALS = Refusals(
    denied=ProxyAnswer(
        by="the service's Envoy",
        statuses=frozenset({403}),
        headers={"server": "envoy|istio-envoy", _UPSTREAM_TIME: r"\d+"},
        body="^RBAC: access denied$",
    ),
    # STRICT mutual TLS closes the connection before the proxy reads a request.
    denied_plain=None,
    no_backend=ProxyAnswer(
        by="the caller's Envoy",
        statuses=frozenset({503}),
        headers={"server": "envoy", _UPSTREAM_TIME: ""},
        body="^(no healthy upstream|upstream connect error or disconnect/reset before headers)",
    ),
)
