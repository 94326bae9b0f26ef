"""Pods that send one and the same request from different places: what is refused stands beside what is allowed."""

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
from lab.kube import connect, manifests
from lab.kube.objects import Obj, Ref
from lab.mesh.model import TlsEntrance
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind

_MANIFEST = Path(__file__).with_name("manifests") / "probe.yaml"
CLIENT = Path(__file__).with_name("probe_client.py").read_text(encoding="utf-8")
_READY_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A pod that requests can be sent from (or, with `port`, to)."""

    name: str
    cluster: str
    meshed: bool
    account: str
    namespace: str = NAMESPACE
    host_network: bool = False
    port: int = 0

    def objects(self, context: Context, scenario: str) -> list[Obj]:
        """Return the pod and its account."""
        return manifests.render(
            _MANIFEST,
            name=self.name,
            namespace=self.namespace,
            account=self.account,
            image=context.lab.artifacts.image("frontend"),
            meshed=self.meshed,
            scenario=scenario,
            host_network=self.host_network,
            port=self.port,
        )

    def start(self, context: Context, scenario: str) -> None:
        """Make the pod, and return when it is ready."""
        kube = connect(context.lab.clusters[self.cluster])
        context.created_by(scenario, kube.cluster).apply_all(self.objects(context, scenario))

        def ready() -> bool | NotYet:
            conditions = ((kube.get(_pod(self)) or {}).get("status") or {}).get("conditions") or []
            return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) or NotYet("not Ready")

        wait.until(f"{self.cluster}: pod {self.name} Ready", ready, timeout_s=_READY_S)

    def stop(self, context: Context, scenario: str) -> None:
        """Take the pod and its account away."""
        objects = context.created_by(scenario, context.lab.clusters[self.cluster])
        objects.delete(_pod(self))
        objects.delete(Ref(api_version="v1", kind="ServiceAccount", name=self.account, namespace=self.namespace))


def _pod(probe: Probe) -> Ref:
    return Ref(api_version="v1", kind="Pod", name=probe.name, namespace=probe.namespace)


class Failure(Enum):
    """How a request without an HTTP answer ended, as the client in the pod saw it."""

    NO_NAME = "no such name"
    """The name has no address: nothing was sent."""
    UNREACHABLE = "unreachable"
    """A route of the node, or a router's ICMP message, says that there is no way."""
    NO_PORT = "connection refused"
    TIMED_OUT = "timed out"
    RESET = "reset"
    CLOSED = "closed"
    """The other end closed the connection without an answer."""
    TLS_ALERT = "TLS alert"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What became of one request: an HTTP answer, or the failure and its text.

    `peer` is the address that the connection reached, empty where it reached none. `identities` are those of the
    certificate that the server showed, where the client spoke TLS itself.
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
        """The result in a few words."""
        return f"HTTP {self.status}" if self.status else self.error

    @property
    def allowed(self) -> bool:
        """Whether the request was answered."""
        return self.status == 200


@dataclass(frozen=True, kw_only=True)
class TlsClient:
    """A TLS client that is not a proxy: where it connects, and the certificate that it shows."""

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
        KubeError: the pod cannot be used; that says nothing about the request.
    """
    asked: dict[str, Json] = {"url": url, "method": method, "timeout_s": timeout_s, "headers": dict(headers or {})}
    # On standard input, because a key does not belong into argv.
    identity = tls.identity.key + tls.identity.certificate if tls else b""
    if tls:
        asked |= {
            "server_name": tls.entrance.server_name,
            "alpn": tls.entrance.alpn,
            "preface": b64encode(tls.entrance.preface).decode(),
            "identity_bytes": len(identity),
        }
    text = connect(cluster).execute(
        pod,
        ["python3.11", "-c", CLIENT, json.dumps(asked)],
        namespace=namespace,
        container=container,
        stdin=identity,
        timeout_s=timeout_s + 16,
    )
    return said_of(text, title=f"{method} {url} from {cluster.name}'s pod {namespace}/{pod}")


def said_of(output: str, *, title: str) -> Said:
    """Read what the client in the pod printed."""
    said = json.loads(output)
    certificate = b64decode(said.pop("certificate"))
    said["identities"] = list(pki.identities(certificate)) if certificate else []
    lines = [f"HTTP {said['status']}", *(f"{k}: {v}" for k, v in said["headers"].items()), "", said["body"]]
    evidence = Evidence(
        kind=EvidenceKind.ANSWERS,
        title=title,
        text="\n".join(lines) if said["status"] else said["error"],
        data={key: value for key, value in said.items() if key != "body"},
    )
    return Said(
        status=said["status"],
        body=said["body"],
        error=said["error"],
        headers=said["headers"],
        failure=Failure(said["failure"]) if said["failure"] else None,
        peer=said["peer"],
        identities=tuple(said["identities"]),
        evidence=evidence,
    )


def frontend_pod(cluster: Cluster) -> str:
    """Return the name of a running pod of the frontend.

    Raises:
        WaitTimeout: there is none.
    """

    def look() -> str | NotYet:
        labels = {"app.kubernetes.io/name": "frontend"}
        pods = connect(cluster).find("v1", "Pod", namespace=NAMESPACE, labels=labels)
        up = [p for p in pods if p["status"].get("phase") == "Running" and "deletionTimestamp" not in p["metadata"]]
        return up[0]["metadata"]["name"] if up else NotYet("no pod of the frontend runs")

    return wait.until(f"{cluster.name}: a pod of the frontend", look, timeout_s=30)
