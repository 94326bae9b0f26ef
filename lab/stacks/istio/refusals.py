"""How Istio's proxies refuse a request: what Envoy answers by itself (Envoy, RBAC filter and router)."""

from __future__ import annotations

from lab.mesh.model import ProxyAnswer, Refusals

_UPSTREAM_TIME = "x-envoy-upstream-service-time"
"""Set by the caller's proxy when the answer came from another one."""

REFUSALS = Refusals(
    denied=ProxyAnswer(
        by="the service's Envoy",
        statuses=frozenset({403}),
        headers={"server": "envoy|istio-envoy", _UPSTREAM_TIME: r"\d+"},
        body="^RBAC: access denied$",
    ),
    # STRICT mutual TLS ends the connection before there is a request.
    denied_plain=None,
    no_backend=ProxyAnswer(
        by="the caller's Envoy",
        statuses=frozenset({503}),
        headers={"server": "envoy", _UPSTREAM_TIME: ""},
        body="^(no healthy upstream|upstream connect error or disconnect/reset before headers)",
    ),
)
