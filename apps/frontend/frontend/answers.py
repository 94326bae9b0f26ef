"""Who answered: podinfo's own words turned into cluster, pod and version, and sums over many of them."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from frontend.config import DNS_LABEL
from frontend.counting import percentile

UNKNOWN = "unknown"
# podinfo has no field for its cluster, but one of free text that is set per deployment. The lab writes it as
# `cluster=NAME; words for people`: one request then tells cluster and pod, through any mesh and any gateway.
_MESSAGE = re.compile(rf"cluster=(?P<cluster>{DNS_LABEL.pattern})(?:;\s*(?P<text>.*))?", re.DOTALL)
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


class FailureKind(StrEnum):
    """Why a request has no answer."""

    CONNECT = "connect"  # no connection: name not found, refused, unreachable
    TIMEOUT = "timeout"  # the request's time was up
    BROKEN = "broken"  # the connection ended, or spoke no HTTP, before the answer was whole
    STATUS = "status"  # an answer, but not 200: from podinfo, or from a proxy on the way
    BODY = "body"  # 200, but not podinfo's JSON


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why there is no answer, and the words that came with it; `refused` by a policy of the mesh."""

    kind: FailureKind
    detail: str
    refused: bool = False

    def as_json(self) -> dict[str, object]:
        """The failure as the API shows it."""
        return {"kind": self.kind, "detail": self.detail, "refused": self.refused}


@dataclass(frozen=True, kw_only=True)
class Info:
    """What podinfo says about itself; None where it does not say."""

    cluster: str | None = None
    pod: str | None = None
    version: str | None = None
    color: str | None = None
    message: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One request and what became of it; `n` counts from 1, `sent_at` is UTC, an answer has no `error`.

    `attempts` is how often the mesh sent the request, if the answer tells it.
    """

    n: int
    sent_at: str
    latency_ms: float
    status: int | None
    info: Info
    error: Failure | None
    attempts: int | None = None

    def as_json(self) -> dict[str, object]:
        """The answer as the API shows it."""
        return {
            "n": self.n,
            "sent_at": self.sent_at,
            "cluster": self.info.cluster,
            "pod": self.info.pod,
            "version": self.info.version,
            "color": self.info.color,
            "message": self.info.message,
            "status": self.status,
            "latency_ms": self.latency_ms,
            "attempts": self.attempts,
            "error": None if self.error is None else self.error.as_json(),
        }


def parse_info(body: bytes) -> Info:
    """Read the body of podinfo's `/api/info` (podinfo 6, pkg/api/http/info.go).

    Raises:
        ValueError: if it is not that; the text says why.
    """
    fields = json_object(body)
    pod = _text(fields, "hostname")
    if pod is None:
        raise ValueError(f"no podinfo: no hostname in {excerpt(body)}")
    words = _text(fields, "message")
    labelled = _MESSAGE.fullmatch(words or "")
    color = _text(fields, "color")
    return Info(
        cluster=labelled["cluster"] if labelled else None,
        pod=pod,
        version=_text(fields, "version"),
        color=color if color and _COLOR.fullmatch(color) else None,
        message=labelled["text"] if labelled else words,
    )


def is_refusal(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Say whether this is the answer with which a mesh's proxy refuses a caller by policy.

    Envoy's RBAC filter answers 403 "RBAC: access denied"; Linkerd's proxy answers 403 without body and without the
    headers of a server (linkerd2-proxy, linkerd/app/core/src/errors/respond.rs).
    """
    if status != 403:
        return False
    words = body.strip()
    return words == b"RBAC: access denied" or (not words and "server" not in headers and "content-type" not in headers)


def read_attempts(headers: Mapping[str, str]) -> int | None:
    """Return how often the proxy of this frontend sent a request; None if the answer does not tell it.

    Envoy tells it if its virtual host is configured so (config.route.v3.VirtualHost.include_attempt_count_in_response).
    The lab does that on Istio (lab/stacks/istio/attempt_count.py); Linkerd's proxy has no such header. Other proxies on
    the way are not counted, such as an ingress's, which may retry its own request to this frontend or to the upstream.
    """
    text = headers.get("x-envoy-attempt-count", "")
    return int(text) if re.fullmatch(r"[1-9]\d{0,2}", text) else None


def json_object(body: bytes) -> dict[str, object]:
    """The JSON object in `body`.

    Raises:
        ValueError: if there is none; the text says what is there.
    """
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    if isinstance(fields, dict):
        return fields
    raise ValueError(f"no JSON object: {excerpt(body)}")


def _text(fields: dict[str, object], key: str) -> str | None:
    value = fields.get(key)
    return value if isinstance(value, str) and value else None


def excerpt(body: bytes, limit: int = 200) -> str:
    """The start of a body, on one line, for an error message."""
    words = " ".join(body[: 4 * limit].decode("utf-8", "replace").split())
    return words if len(words) <= limit else f"{words[:limit]}…"


def totals(answers: Sequence[Answer]) -> dict[str, object]:
    """Sums over `answers`: by cluster, pod and version for those answered, by kind for those that failed."""
    good = [answer for answer in answers if answer.error is None]
    latencies = [answer.latency_ms for answer in good]
    return {
        "requests": len(answers),
        "answered": len(good),
        "failed": len(answers) - len(good),
        "by_cluster": _count(answer.info.cluster for answer in good),
        "by_pod": _count(answer.info.pod for answer in good),
        "by_version": _count(answer.info.version for answer in good),
        "by_failure": _count(answer.error.kind.value for answer in answers if answer.error is not None),
        "latency_ms": {
            "p50": percentile(latencies, 50),
            "p99": percentile(latencies, 99),
            "max": percentile(latencies, 100),
        },
    }


def _count(values: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(value or UNKNOWN for value in values).items()))
