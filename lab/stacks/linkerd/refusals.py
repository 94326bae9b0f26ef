"""The answers with which Linkerd's proxies refuse requests (linkerd2-proxy, linkerd/app/core/src/errors/respond.rs).

A refusal has no body and no `server` header. The refusing proxy adds its reason in `l5d-proxy-error` only for peers
with an identity, and the caller's proxy removes it (linkerd/app/outbound/src/http/handle_proxy_error_headers.rs). So a
client sees only the status of another proxy's refusal. It sees `l5d-proxy-error` and `l5d-proxy-connection` if the
caller's own proxy refuses.
"""

from __future__ import annotations

from lab.mesh.model import ProxyAnswer, Refusals

_ERROR, _CONNECTION = "l5d-proxy-error", "l5d-proxy-connection"

REFUSALS = Refusals(
    denied=ProxyAnswer(
        by="the service's linkerd-proxy",
        # 404 if a permission has methods or paths, and no route matches the request.
        statuses=frozenset({403, 404}),
        headers={"content-length": "0"},
        bare=True,
    ),
    denied_plain=ProxyAnswer(
        by="the service's linkerd-proxy", statuses=frozenset({403}), headers={"content-length": "0"}, bare=True
    ),
    no_backend=ProxyAnswer(
        by="a linkerd-proxy on the way",
        statuses=frozenset({502, 503, 504}),
        headers={"content-length": "0", _ERROR: ".*", _CONNECTION: "(close)?"},
        bare=True,
    ),
)
