"""Errors of an API server."""

from __future__ import annotations

import json

from lab.base.errors import ClusterError
from lab.base.wait import TransientError


class KubeError(ClusterError):
    """The API server refused. `status` is its HTTP status, 0 without an answer; `reason` is Kubernetes' reason."""

    def __init__(
        self,
        what: str,
        *,
        where: str,
        status: int = 0,
        reason: str = "",
        next: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(what, where=where, next=next)
        self.status = status
        self.reason = reason


class NotNow(KubeError, TransientError):
    """The API server does not answer, or refuses for now. A wait retries; elsewhere it is an error."""


def refusal(cluster: str, method: str, *, status: int, body: bytes, what: str) -> KubeError:
    """Turn an answer of 400 and above into an error: NotNow if a retry may help."""
    try:
        details = json.loads(body)
        message, reason = str(details.get("message", "")), str(details.get("reason", ""))
    except (ValueError, AttributeError):
        message, reason = body.decode(errors="replace").strip()[:300], ""
    make = NotNow if _temporary(method, status, message) else KubeError
    return make(f"{what}: {message or f'HTTP {status}'}", where=cluster, status=status, reason=reason)


def _temporary(method: str, status: int, message: str) -> bool:
    """Return whether a refusal is temporary, such as while a cluster starts."""
    if status == 429 or status >= 500:  # overloaded, restarting, or a webhook that does not answer yet
        return True
    if status == 409:  # another client changed the object first
        return method != "POST"
    if status == 405:  # of a kind whose CRD is being deleted
        return "is terminating" in message
    if status == 403:
        return "being terminated" in message
    # A new namespace is not known to all of the API server yet; a new kind is Established but not served.
    not_yet = ("namespaces", "could not find", "page not found")
    return status == 404 and method == "PATCH" and any(words in message for words in not_yet)
