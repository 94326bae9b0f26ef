"""Builders of the Kubernetes objects that options and wires have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.kube.objects import Obj

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""A container's security context: as little as possible."""
NOT_ROOT = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
"""A pod's security context; 65532 is the user `nonroot` of distroless images."""

OPEN_IN_LINKERD = {"linkerd.io/inject": "enabled", "config.linkerd.io/default-inbound-policy": "all-unauthenticated"}
"""Annotations by which pods are in Linkerd's mesh and accept callers without an identity, too."""


def namespace(
    name: str, *, labels: Mapping[str, str] | None = None, annotations: Mapping[str, str] | None = None
) -> Obj:
    """Return a Namespace. Several parts may give the same one: their labels and annotations are joined."""
    metadata: Obj = {"name": name}
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def named(name: str, in_: str = "", **more: Any) -> Obj:
    """Return metadata with the label by which Services find pods."""
    place = {"namespace": in_} if in_ else {}
    return {"name": name, **place, "labels": {"app.kubernetes.io/name": name}, **more}


def account(name: str, in_: str, *, token: bool = False) -> Obj:
    """Return a ServiceAccount; without a token, its pods cannot ask the API server."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": named(name, in_),
        "automountServiceAccountToken": token,
    }


def config_map(name: str, in_: str, data: Mapping[str, str]) -> Obj:
    """Return a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named(name, in_), "data": dict(data)}


def service(name: str, in_: str, ports: Sequence[tuple[str, int, str]]) -> Obj:
    """Return a Service of the pods with its name; a port is its name, its number, and its protocol (`appProtocol`).

    The pods' ports have the Service's names.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": named(name, in_),
        "spec": {
            "selector": {"app.kubernetes.io/name": name},
            "ports": [
                {"name": port, "port": number, "targetPort": port, "protocol": "TCP", "appProtocol": protocol}
                for port, number, protocol in ports
            ],
        },
    }


def deployment(
    name: str,
    in_: str,
    container: Mapping[str, Any],
    *,
    annotations: Mapping[str, str] | None = None,
    volumes: Sequence[Obj] = (),
    pod: Mapping[str, Any] | None = None,
) -> Obj:
    """Return a Deployment of one pod with one container, under the account with its name."""
    metadata: Obj = {"labels": {"app.kubernetes.io/name": name}}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": named(name, in_),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {
                "metadata": metadata,
                "spec": {
                    "serviceAccountName": name,
                    "securityContext": dict(NOT_ROOT),
                    "containers": [{"name": name, "imagePullPolicy": "IfNotPresent", **container}],
                    **({"volumes": list(volumes)} if volumes else {}),
                    **(pod or {}),
                },
            },
        },
    }


def probe(path: str, port: str) -> Obj:
    """Return a probe by HTTP."""
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": 5, "timeoutSeconds": 5}


def resources(cpu: str, memory: str, limit: str) -> Obj:
    """Return requests of CPU and memory, and a limit of memory."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}


def cluster_role(name: str, rules: Sequence[Obj], *, subject_in: str) -> list[Obj]:
    """Return a ClusterRole, and its binding to the account with its name."""
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": named(name),
            "rules": list(rules),
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": named(name),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": subject_in}],
        },
    ]


SCRAPED = "prometheus.io/scrape"
"""Annotation of pods whose metrics are collected; `prometheus.io/port` and `prometheus.io/path` say where."""


def scraped(port: int, path: str = "/metrics") -> dict[str, str]:
    """Return the annotations of a pod whose metrics are collected."""
    return {SCRAPED: "true", "prometheus.io/port": str(port), "prometheus.io/path": path}
