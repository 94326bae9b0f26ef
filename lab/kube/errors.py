"""What an API server's refusals mean."""

from __future__ import annotations

import json

from lab.base.errors import ClusterError
from lab.base.wait import TransientError


class KubeError(ClusterError):
    """The API server refused. `status` is its HTTP status, 0 where there was no answer; `reason` its own word."""

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
    """The API server does not answer, or not yet as it will. A wait continues; elsewhere it is an error."""


def refusal(cluster: str, method: str, *, status: int, body: bytes, what: str) -> KubeError:
    """Turn an answer of 400 and above into an error, NotNow where asking again may help."""
    try:
        said = json.loads(body)
        message, reason = str(said.get("message", "")), str(said.get("reason", ""))
    except (ValueError, AttributeError):
        message, reason = body.decode(errors="replace").strip()[:300], ""
    make = NotNow if _passing(method, status, message) else KubeError
    return make(f"{what}: {message or f'HTTP {status}'}", where=cluster, status=status, reason=reason)


def _passing(method: str, status: int, message: str) -> bool:
    """Tell refusals that go away by themselves while a cluster comes up from those that stay."""
    if status == 429 or status >= 500:  # overloaded, restarting, or a webhook that does not answer yet
        return True
    if status == 409:  # somebody else was quicker
        return method != "POST"
    if status == 403:
        return "being terminated" in message
    # A namespace that was just created is not known everywhere yet; a new kind is established but not served.
    not_yet = ("namespaces", "could not find", "page not found")
    return status == 404 and method == "PATCH" and any(words in message for words in not_yet)
