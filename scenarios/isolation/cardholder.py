"""Search a cluster's logs and metrics for a card number. Evidence never contains it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

from lab.base.names import NAMESPACE, Cluster
from lab.kube import Kube, connect
from lab.kube.objects import Obj
from lab.scenario.evidence import Evidence, EvidenceKind

from ..probes import frontend_pod

HEADER = "x-lab-card-number"
_LINES = 20_000
# The metrics of a proxy: Istio's sidecar, Linkerd's.
_METRICS = ("http://127.0.0.1:15020/stats/prometheus", "http://127.0.0.1:4191/metrics")
_SEARCH = """
import json, sys, urllib.request
urls, words = json.loads(sys.argv[1])
opener = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
for url in urls:
    try:
        text = opener(url, timeout=8).read().decode("utf-8", "replace")
    except OSError:
        continue
    print(json.dumps({"bytes": len(text), "found": [word in text for word in words]}))
    break
"""
_WRITE = "import sys; print(sys.argv[1], file=open('/proc/1/fd/1', 'w'), flush=True)"


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where a cluster recorded a card number. `read`: how much was searched; `control`: a known number was found."""

    places: tuple[str, ...]
    read: str
    control: bool
    evidence: Evidence


def in_logs(cluster: Cluster, card: str, namespaces: tuple[str, ...]) -> Found:
    """Search the logs of all containers in some namespaces for a card number.

    The control is a mark that the frontend prints first: the search has to find it.
    """
    kube, mark = connect(cluster), f"mark-{secrets.token_hex(8)}"
    argv = ["python3.11", "-c", _WRITE, mark]
    kube.execute(frontend_pod(cluster), argv, namespace=NAMESPACE, container="frontend")
    logs = {
        f"{namespace}/{pod['metadata']['name']}/{container}": _log(kube, pod, container)
        for namespace in namespaces
        for pod in kube.find("v1", "Pod", namespace=namespace)
        for container in _started(pod)
    }
    return _found(
        f"{cluster.name}: logs of {len(logs)} containers",
        {name: (len(text), card in text, mark in text) for name, text in logs.items()},
    )


def in_metrics(cluster: Cluster, card: str, *, control: str) -> Found:
    """Search the metrics of the frontend's proxy for a card number. The search has to find `control`."""
    request = json.dumps([_METRICS, [card, control]])
    pod = frontend_pod(cluster)
    result = json.loads(
        connect(cluster).execute(
            pod, ["python3.11", "-c", _SEARCH, request], namespace=NAMESPACE, container="frontend", timeout_s=30
        )
        or '{"bytes": 0, "found": [false, false]}'
    )
    return _found(f"{cluster.name}: metrics of {pod}'s proxy", {pod: (result["bytes"], *result["found"])})


def _found(title: str, searched: dict[str, tuple[int, bool, bool]]) -> Found:
    places = tuple(name for name, (_, card, _) in searched.items() if card)
    total = sum(size for size, _, _ in searched.values())
    lines = [
        f"{name}: {size} characters{', THE CARD NUMBER' if card else ''}{', the control' if control else ''}"
        for name, (size, card, control) in searched.items()
    ]
    return Found(
        places=places,
        read=f"{total} characters of {len(searched)}",
        control=any(control for _, _, control in searched.values()),
        evidence=Evidence(kind=EvidenceKind.LOG, title=title, text="\n".join(lines), data={"found_in": list(places)}),
    )


def _started(pod: Obj) -> list[str]:
    status = pod.get("status", {})
    every = (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or [])
    return [c["name"] for c in every if not c["state"].get("waiting")]


def _log(kube: Kube, pod: Obj, container: str) -> str:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    return kube.logs(name, namespace=namespace, container=container, lines=_LINES)
