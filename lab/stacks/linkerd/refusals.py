"""How Linkerd's proxies refuse a request (linkerd2-proxy, linkerd/app/core/src/errors/respond.rs).

A refusal has no body and no header that says `server`. The proxy that refuses adds its reason, `l5d-proxy-error`, for
peers with an identity only, and the caller's proxy takes that header out again (linkerd/app/outbound/src/http/
handle_proxy_error_headers.rs). What is left of another proxy's refusal is the bare status; the header itself, and
`l5d-proxy-connection`, arrive where the caller's own proxy refuses.
"""

from __future__ import annotations

from lab.mesh.model import ProxyAnswer, Refusals

_ERROR, _CONNECTION = "l5d-proxy-error", "l5d-proxy-connection"

REFUSALS = Refusals(
    denied=ProxyAnswer(
        by="the service's linkerd-proxy",
        # 404 where a permission names methods and paths, and no route fits the request.
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
