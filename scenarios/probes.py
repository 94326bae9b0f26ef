"""Send requests from inside pods: the same request from different workloads."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from lab.base import pki, wait
from lab.base.names import NAMESPACE, Cluster, Json
from lab.base.pki import Issued
from lab.base.wait import NotYet
from lab.kube import connect
from lab.mesh.model import TlsEntrance
from lab.scenario.evidence import Evidence, EvidenceKind

CLIENT = Path(__file__).with_name("probe_client.py").read_text(encoding="utf-8")


class Failure(Enum):
    """How a request without an HTTP response ended, as the client in the pod saw it."""

    NO_NAME = "no such name"
    """DNS has no address for the name: the client sent nothing."""
    UNREACHABLE = "unreachable"
    """A route of the node, or a router's ICMP message, reports that the address is unreachable."""
    NO_PORT = "connection refused"
    TIMED_OUT = "timed out"
    RESET = "reset"
    CLOSED = "closed"
    """The other end closed the connection without a response."""
    TLS_ALERT = "TLS alert"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Said:
    """The result of one request: an HTTP response, or the failure and its text.

    `peer` is the address that the connection reached, empty if it reached none. `identities` are the names in the
    server's certificate, if the client itself used TLS.
    """

    status: int = 0
    body: str = ""
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None
    peer: str = ""
    identities: tuple[str, ...] = ()
    evidence: Evidence = field(compare=False)

    @property
    def words(self) -> str:
        """The result as a short text."""
        return f"HTTP {self.status}" if self.status else self.error

    @property
    def allowed(self) -> bool:
        """Whether the response is HTTP 200."""
        return self.status == 200


@dataclass(frozen=True, kw_only=True)
class TlsClient:
    """A TLS client without a proxy: the entrance that it connects to, and the certificate that it presents."""

    entrance: TlsEntrance
    identity: Issued


def send(
    cluster: Cluster,
    pod: str,
    url: str,
    *,
    container: str = "probe",
    namespace: str = NAMESPACE,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    tls: TlsClient | None = None,
    timeout_s: float = 4.0,
) -> Said:
    """Send one request from inside a pod.

    Raises:
        KubeError: the command in the pod failed; nothing is known about the request.
    """
    request: dict[str, Json] = {"url": url, "method": method, "timeout_s": timeout_s, "headers": dict(headers or {})}
    # On standard input, because argv must not contain a private key.
    identity = tls.identity.key + tls.identity.certificate if tls else b""
    if tls:
        request |= {
            "server_name": tls.entrance.server_name,
            "alpn": tls.entrance.alpn,
            "preface": b64encode(tls.entrance.preface).decode(),
            "identity_bytes": len(identity),
        }
    text = connect(cluster).execute(
        pod,
        ["python3.11", "-c", CLIENT, json.dumps(request)],
        namespace=namespace,
        container=container,
        stdin=identity,
        timeout_s=timeout_s + 16,
    )
    return said_of(text, title=f"{method} {url} from {cluster.name}'s pod {namespace}/{pod}")


def said_of(output: str, *, title: str) -> Said:
    """Parse the output of the client in the pod."""
    result = json.loads(output)
    certificate = b64decode(result.pop("certificate"))
    result["identities"] = list(pki.identities(certificate)) if certificate else []
    lines = [f"HTTP {result['status']}", *(f"{k}: {v}" for k, v in result["headers"].items()), "", result["body"]]
    evidence = Evidence(
        kind=EvidenceKind.ANSWERS,
        title=title,
        text="\n".join(lines) if result["status"] else result["error"],
        data={key: value for key, value in result.items() if key != "body"},
    )
    return Said(
        status=result["status"],
        body=result["body"],
        error=result["error"],
        headers=result["headers"],
        failure=Failure(result["failure"]) if result["failure"] else None,
        peer=result["peer"],
        identities=tuple(result["identities"]),
        evidence=evidence,
    )


def frontend_pod(cluster: Cluster) -> str:
    """Return the name of a running pod of the frontend.

    Raises:
        WaitTimeout: no pod of the frontend runs.
    """

    def find() -> str | NotYet:
        labels = {"app.kubernetes.io/name": "frontend"}
        pods = connect(cluster).find("v1", "Pod", namespace=NAMESPACE, labels=labels)
        running = [
            p for p in pods if p["status"].get("phase") == "Running" and "deletionTimestamp" not in p["metadata"]
        ]
        return running[0]["metadata"]["name"] if running else NotYet("no pod of the frontend runs")

    return wait.until(f"a running pod of {cluster.name}'s frontend", find, timeout_s=30)
