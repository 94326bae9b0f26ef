"""Turn Kubernetes objects into rows of a panel: names and states, never the object itself. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from lab.base.names import SCENARIO_LABEL, Json
from lab.base.redaction import redact
from lab.kube.objects import Obj, labels_of, workload_of
from lab.lifecycle.changes import allowed
from lab.mesh import permissions
from lab.stacks.panel import LinkKind, PolicyKind

MOST_WORDS = 200
"""Characters of a text in a panel."""
Kept = dict[str, Json]

_SERVICE_OF_SLICE = "kubernetes.io/service-name"


def namespace(obj: Obj) -> Kept | None:
    """Return a row for a namespace of a scenario, which the panel shows as well."""
    return {} if SCENARIO_LABEL in labels_of(obj) else None


def node(obj: Obj) -> Kept:
    """Return whether a node is Ready."""
    conditions = obj.get("status", {}).get("conditions") or []
    return {"ready": any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)}


def pod(obj: Obj) -> Kept:
    """Return a pod as `kubectl get pods` shows it."""
    spec, status = obj.get("spec", {}), obj.get("status", {})
    # A sidecar of the mesh is an init container that keeps running (KEP-753).
    sidecars = {one["name"] for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"}
    init = [one for one in status.get("initContainerStatuses") or [] if one["name"] in sidecars]
    containers = [*(status.get("containerStatuses") or []), *init]
    ready = sum(bool(one.get("ready")) for one in containers)
    return {
        "name": obj["metadata"]["name"],
        "namespace": obj["metadata"].get("namespace", ""),
        "app": workload_of(obj),
        "ready": f"{ready}/{len(spec.get('containers') or []) + len(sidecars)}",
        "phase": _phase(obj, containers),
        "restarts": sum(int(one.get("restartCount", 0)) for one in containers),
        "node": spec.get("nodeName", ""),
        "created": unix(obj["metadata"].get("creationTimestamp")),
    }


def _phase(obj: Obj, containers: list[Obj]) -> str:
    """Return the phase, or the reason why a container does not run, as `kubectl get pods` does."""
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    status = obj.get("status", {})
    for container in containers:
        state = container.get("state") or {}
        for kind in ("waiting", "terminated"):
            if reason := (state.get(kind) or {}).get("reason"):
                return str(reason)
    return str(status.get("reason") or status.get("phase") or "Pending")


def service(mirror_of: Callable[[Obj], str | None]) -> Callable[[Obj], Kept]:
    """Return a function that reads a Service."""

    def read(obj: Obj) -> Kept:
        spec, status = obj.get("spec", {}), obj.get("status", {})
        balancer = [
            one.get("ip") or one.get("hostname") for one in (status.get("loadBalancer") or {}).get("ingress") or []
        ]
        own = spec.get("clusterIP", "")
        return {
            "name": obj["metadata"]["name"],
            "namespace": obj["metadata"].get("namespace", ""),
            "type": "headless" if own == "None" else spec.get("type", "ClusterIP"),
            "address": next(filter(None, balancer), None) or (own if own not in {"", "None"} else None),
            "balanced": bool(balancer),
            "ports": [port["port"] for port in spec.get("ports") or []],
            "mirror_of": mirror_of(obj),
        }

    return read


def endpoint_slice(obj: Obj) -> Kept:
    """Return how many endpoints of a Service are ready."""
    endpoints = obj.get("endpoints") or []
    return {
        "namespace": obj["metadata"].get("namespace", ""),
        "service": labels_of(obj).get(_SERVICE_OF_SLICE, ""),
        # A missing condition counts as true (Kubernetes API, EndpointConditions).
        "ready": sum((one.get("conditions") or {}).get("ready") is not False for one in endpoints),
        "total": len(endpoints),
    }


def event(obj: Obj) -> Kept:
    """Return an event; one that was repeated has the time of the last repetition."""
    about, series = obj.get("involvedObject") or {}, obj.get("series") or {}
    times = (series.get("lastObservedTime"), obj.get("lastTimestamp"), obj.get("eventTime"))
    return {
        "namespace": obj["metadata"].get("namespace", ""),
        "at": unix(next(filter(None, times), obj["metadata"].get("creationTimestamp"))),
        "kind": about.get("kind", ""),
        "object": about.get("name", ""),
        "reason": obj.get("reason", ""),
        "message": words(str(obj.get("message", ""))),
        "warning": obj.get("type") == "Warning",
    }


def policy(kind: PolicyKind) -> Callable[[Obj], Kept]:
    """Return a function that reads an object of a kind; a permission of the lab says who may call what."""

    def read(obj: Obj) -> Kept:
        found = permissions.read([obj])
        return {
            "group": kind.api_version.partition("/")[0],  # HTTPRoute is a kind of two groups
            "kind": kind.kind,
            "name": obj["metadata"]["name"],
            "namespace": obj["metadata"].get("namespace", ""),
            "words": words(allowed(found[0]) if found else kind.words(obj)),
        }

    return read


def link(kind: LinkKind) -> Callable[[Obj], Kept]:
    """Return a function that reads a Link."""

    def read(obj: Obj) -> Kept:
        sight = kind.read(obj)
        return {"to": sight.target, "ok": sight.ok, "words": words(sight.words)}

    return read


def words(text: str) -> str:
    """Return a text on one line, without secrets and not too long."""
    line = " ".join(redact(text).split())
    return line if len(line) <= MOST_WORDS else f"{line[: MOST_WORDS - 1]}…"


def unix(time: object) -> float | None:
    """Return a time of Kubernetes as Unix time."""
    try:
        return datetime.fromisoformat(str(time)).astimezone(UTC).timestamp() if time else None
    except ValueError:
        return None
