"""Kubernetes objects as an API server sends them, for the panels' tests."""

from __future__ import annotations

from typing import Any

from lab.base.names import NAMESPACE
from lab.kube.objects import Obj


def made(kind: str, name: str, namespace: str = "", *, api_version: str = "v1", **content: Any) -> Obj:
    place = {"namespace": namespace} if namespace else {}
    metadata = {"name": name, **place, **content.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def pod(name: str = "podinfo-1", *, ready: bool = True, namespace: str = NAMESPACE, **status: Any) -> Obj:
    """A pod with a container and a sidecar of the mesh."""
    containers = [{"name": "podinfo", "ready": ready, "restartCount": 1, "state": {"running": {}}}]
    sidecars = [{"name": "proxy", "ready": True, "restartCount": 0}, {"name": "set-up", "ready": True}]
    return made(
        "Pod",
        name,
        namespace,
        metadata={"labels": {"app.kubernetes.io/name": "podinfo"}, "creationTimestamp": "2026-01-01T00:00:00Z"},
        spec={
            "nodeName": "east-node",
            "containers": [{"name": "podinfo"}],
            "initContainers": [{"name": "proxy", "restartPolicy": "Always"}, {"name": "set-up"}],
        },
        status={"phase": "Running", "containerStatuses": containers, "initContainerStatuses": sidecars, **status},
    )


def service(name: str = "podinfo", namespace: str = NAMESPACE, *, address: str = "", **more: Any) -> Obj:
    balanced = {"loadBalancer": {"ingress": [{"ip": address}]}} if address else {}
    spec = {"type": "LoadBalancer" if address else "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"port": 9898}]}
    return made("Service", name, namespace, spec=spec, status=balanced, **more)


def slices(of: str = "podinfo", namespace: str = NAMESPACE, *, ready: int = 1, not_ready: int = 0) -> Obj:
    endpoints = [{"conditions": {"ready": True}}] * ready + [{"conditions": {"ready": False}}] * not_ready
    labels = {"kubernetes.io/service-name": of}
    return made(
        "EndpointSlice",
        f"{of}-x",
        namespace,
        api_version="discovery.k8s.io/v1",
        metadata={"labels": labels},
        endpoints=endpoints,
    )


def node(name: str = "east-node", *, ready: bool = True) -> Obj:
    return made("Node", name, status={"conditions": [{"type": "Ready", "status": str(ready)}]})


def event(name: str, at: str, *, namespace: str = NAMESPACE, **more: Any) -> Obj:
    about = {"kind": "Pod", "name": "podinfo-1"}
    fields = {"involvedObject": about, "reason": "Unhealthy", "message": "probe failed", "type": "Warning", **more}
    return made("Event", name, namespace, lastTimestamp=at, **fields)
