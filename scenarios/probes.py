"""Pods that send one and the same request from different places: what is refused stands beside what is allowed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.base import wait
from lab.base.names import NAMESPACE, Cluster
from lab.base.wait import NotYet
from lab.kube import connect, manifests
from lab.kube.objects import Obj, Ref
from lab.scenario.context import Context
from lab.scenario.evidence import Evidence, EvidenceKind

_MANIFEST = Path(__file__).with_name("manifests") / "probe.yaml"
_CLIENT = Path(__file__).with_name("probe_client.py").read_text(encoding="utf-8")
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


@dataclass(frozen=True, kw_only=True)
class Said:
    """What became of one request: an HTTP status (0 for none), the body, or the words of the failure."""

    status: int
    body: str
    error: str
    evidence: Evidence = field(compare=False)

    @property
    def words(self) -> str:
        """The result in a few words."""
        return f"HTTP {self.status}" if self.status else self.error

    @property
    def allowed(self) -> bool:
        """Whether the request was answered."""
        return self.status == 200


def send(
    cluster: Cluster,
    pod: str,
    url: str,
    *,
    container: str = "probe",
    namespace: str = NAMESPACE,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 4.0,
) -> Said:
    """Send one request from inside a pod.

    Raises:
        KubeError: the pod cannot be used; that says nothing about the request.
    """
    argv = ["python3.11", "-c", _CLIENT, url, method, str(timeout_s), json.dumps(dict(headers or {}))]
    text = connect(cluster).execute(pod, argv, namespace=namespace, container=container, timeout_s=timeout_s + 16)
    said = json.loads(text)
    words = f"HTTP {said['status']}\n{said['body']}" if said["status"] else said["error"]
    evidence = Evidence(
        kind=EvidenceKind.ANSWERS,
        title=f"{method} {url} from {cluster.name}'s pod {namespace}/{pod}",
        text=words,
        data={"status": said["status"], "error": said["error"]},
    )
    return Said(status=said["status"], body=said["body"], error=said["error"], evidence=evidence)


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
