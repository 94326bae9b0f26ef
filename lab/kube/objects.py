"""Kubernetes objects as plain dicts: their names, their order and their readiness. No I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]


@dataclass(frozen=True, kw_only=True, order=True)
class Ref:
    """Name of an object. `namespace` is empty for cluster-scoped objects."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {place}{self.name}"


def ref(obj: Mapping[str, Any]) -> Ref:
    """Return the name of an object."""
    metadata = obj["metadata"]
    return Ref(
        api_version=obj["apiVersion"],
        kind=obj["kind"],
        name=metadata["name"],
        namespace=metadata.get("namespace", ""),
    )


def labelled(obj: Obj, labels: Mapping[str, str]) -> Obj:
    """Return a copy of an object with more labels."""
    metadata = {**obj["metadata"], "labels": {**(obj["metadata"].get("labels") or {}), **labels}}
    return {**obj, "metadata": metadata}


def labels_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """Return an object's labels, none as an empty mapping."""
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """Return an object's annotations, none as an empty mapping."""
    return obj["metadata"].get("annotations") or {}


NAME_LABELS = ("app.kubernetes.io/name", "app", "gateway.networking.k8s.io/gateway-name", "k8s-app", "component")
"""Labels of pods that name their workload, the most usual first."""


def workload_of(pod: Mapping[str, Any]) -> str:
    """Return the name of a pod's workload; empty if its labels do not tell it."""
    labels = labels_of(pod)
    return next((labels[name] for name in NAME_LABELS if name in labels), "")


def is_deleted(obj: Mapping[str, Any]) -> bool:
    """Return whether an object is being deleted: it exists until its finalizers are removed, whatever is applied."""
    return "deletionTimestamp" in obj["metadata"]


def digest(objects: Iterable[Obj]) -> str:
    """Return a digest of objects, whatever their order."""
    lines = sorted(json.dumps(obj, sort_keys=True) for obj in objects)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


# Dependencies come first: namespaces, CRDs, accounts (Kubernetes deletes a token without its account at once),
# objects that workloads refer to, then the rest.
_RANKS = {
    "Namespace": 0,
    "CustomResourceDefinition": 1,
    "ServiceAccount": 2,
    "ConfigMap": 3,
    "Secret": 3,
    "ClusterRole": 3,
    "ClusterRoleBinding": 3,
    "Role": 3,
    "RoleBinding": 3,
}


def rank(kind: str) -> int:
    """Return a kind's position in the order of apply; objects of one rank do not depend on each other."""
    return _RANKS.get(kind, 4)


def _condition_words(obj: Mapping[str, Any], kind: str) -> str | None:
    for one in obj.get("status", {}).get("conditions") or []:
        if one["type"] == kind:
            if one["status"] == "True":
                return None
            cause = one.get("message") or one.get("reason") or one["status"]
            return f"not {kind}: {cause}"
    return f"not {kind} yet"


def unready(obj: Mapping[str, Any]) -> str | None:
    """Return why an object is not ready; None if it is ready or its kind has no readiness."""
    check = _READINESS.get(obj["kind"])
    if check and is_deleted(obj):
        return f"{ref(obj)} is being deleted"
    words = check(obj) if check else None
    return f"{ref(obj)} {words}" if words else None


def _deployment(obj: Mapping[str, Any]) -> str | None:
    wanted = obj["spec"].get("replicas", 1)
    status = obj.get("status", {})
    if status.get("observedGeneration", 0) < obj["metadata"].get("generation", 0):
        return "not observed by its controller yet"
    for replicas, words in (
        (status.get("updatedReplicas", 0), "updated"),
        (status.get("availableReplicas", 0), "Available"),
    ):
        if replicas < wanted:
            return f"{replicas}/{wanted} {words}"
    # Old pods would continue to answer with the old version.
    extra = status.get("replicas", 0) - wanted
    return f"{extra} old pods still there" if extra > 0 else None


def _daemon_set(obj: Mapping[str, Any]) -> str | None:
    status = obj.get("status", {})
    wanted, ready = status.get("desiredNumberScheduled", 1), status.get("numberAvailable", 0)
    return f"{ready}/{wanted} Available" if ready < wanted else None


def _route(obj: Mapping[str, Any]) -> str | None:
    parents = obj.get("status", {}).get("parents") or []
    if not parents:
        return "not Accepted yet"
    words = [_condition_words({"status": parent}, kind) for parent in parents for kind in ("Accepted", "ResolvedRefs")]
    return next((word for word in words if word), None)


_READINESS: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "Deployment": _deployment,
    "StatefulSet": _deployment,
    "DaemonSet": _daemon_set,
    "CustomResourceDefinition": lambda obj: _condition_words(obj, "Established"),
    "Gateway": lambda obj: _condition_words(obj, "Programmed"),
    "GatewayClass": lambda obj: _condition_words(obj, "Accepted"),
    "HTTPRoute": _route,
    "Node": lambda obj: _condition_words(obj, "Ready"),
}
HAS_READINESS = frozenset(_READINESS)
"""Kinds with a readiness check."""
STAYS_READY = frozenset({"CustomResourceDefinition"})
"""Kinds that are never unready again after they were ready."""


def in_namespace(obj: Obj, namespace: str) -> Obj:
    """Return a copy of an object in a namespace."""
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}
