"""Explain why a workload's pods are not ready, with Kubernetes' reasons, and whether a wait can help. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.kube.objects import Obj, annotations_of, labels_of

_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
_CRASHING = "CrashLoopBackOff"
_UNSCHEDULABLE = "Unschedulable"
_NODE_TAINT = "node.kubernetes.io/"  # not-ready, unreachable, disk-pressure: goes away when the node has recovered

# A wait gives up when a reason has lasted this many seconds. The kubelet tries to pull an image again after
# 10, 20 and 40 s; a ConfigMap, a Secret or free memory on the node may come after the pod.
_PATIENCE_S = {
    "InvalidImageName": 1.0,
    "ErrImageNeverPull": 10.0,
    "ErrImagePull": 45.0,
    "ImagePullBackOff": 45.0,
    "CreateContainerConfigError": 30.0,
    "CreateContainerError": 30.0,
    _UNSCHEDULABLE: 30.0,
}
_RESTARTS = 4
"""Restarts during one wait after which a container does not recover: about 70 s with the kubelet's back-off."""
_SAME = {"ErrImagePull": "ImagePullBackOff"}
"""Reasons that alternate while the cause stays."""
_QUIET = frozenset({"ContainerCreating", "PodInitializing"})
_WORDS = 240


@dataclass(frozen=True, kw_only=True)
class PodTrouble:
    """The reason why a container is not ready, or with an empty `container` the whole pod."""

    pod: str
    namespace: str
    reason: str
    message: str
    container: str = ""
    restarts: int = 0

    def __str__(self) -> str:
        container = f", container {self.container}" if self.container else ""
        message = " ".join(self.message.split())
        message = message if len(message) <= _WORDS else f"{message[: _WORDS - 1]}…"
        return f"pod {self.pod}{container}: {self.reason}" + (f": {message}" if message else "")


def troubles(pod: Mapping[str, Any]) -> Iterator[PodTrouble]:
    """Yield the reasons why a pod is not ready; none if it is ready or only starting."""
    name, namespace = pod["metadata"]["name"], pod["metadata"].get("namespace", "")
    status = pod.get("status", {})
    for one in status.get("conditions") or []:
        if one["type"] == "PodScheduled" and one.get("reason") == _UNSCHEDULABLE:
            yield PodTrouble(pod=name, namespace=namespace, reason=_UNSCHEDULABLE, message=one.get("message", ""))
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        if words := _container(container):
            reason, message = words
            yield PodTrouble(
                pod=name,
                namespace=namespace,
                container=container["name"],
                reason=reason,
                message=message,
                restarts=container.get("restartCount", 0),
            )


def _container(status: Mapping[str, Any]) -> tuple[str, str] | None:
    state = status.get("state") or {}
    ended = state.get("terminated")
    if ended is not None:
        return None if ended.get("exitCode") == 0 else (ended.get("reason") or "Error", _exit(ended))
    waiting = state.get("waiting")
    if waiting is None or waiting.get("reason", "") in _QUIET:
        return None
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    before = (status.get("lastState") or {}).get("terminated")
    if reason == _CRASHING and before is not None:
        message = f"{_exit(before)}, {status.get('restartCount', 0)} restarts"
    return (reason, message) if reason else None


def _exit(ended: Mapping[str, Any]) -> str:
    reason, message = ended.get("reason", ""), ended.get("message", "")
    words = f"exit code {ended.get('exitCode')}" + (f" ({reason})" if reason not in {"", "Error"} else "")
    return f"{words}: {message}" if message else words


def selector(workload: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the labels by which a workload selects its pods; none for an object without pods."""
    labels: Mapping[str, str] = (workload.get("spec", {}).get("selector") or {}).get("matchLabels") or {}
    return labels if workload["kind"] in {"Deployment", "StatefulSet", "DaemonSet"} else {}


def of_rollout(workload: Obj, pods: Iterable[Obj], replica_sets: Iterable[Obj]) -> list[Obj]:
    """Return the pods of a Deployment's newest revision: old ones end when the new ones are ready."""
    revision = annotations_of(workload).get(_REVISION)
    hashes = {
        labels_of(one).get(_HASH) for one in replica_sets if revision and annotations_of(one).get(_REVISION) == revision
    }
    return [pod for pod in pods if not hashes or labels_of(pod).get(_HASH) in hashes]


class Patience:
    """Decides during one wait whether a trouble is permanent. `clock` is monotonic (tests pass their own)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[tuple[str, str, str], float] = {}
        self._restarts: dict[tuple[str, str], int] = {}

    def hopeless(self, current: Iterable[PodTrouble]) -> PodTrouble | None:
        """Take the current troubles and return the first permanent one."""
        now, current = self._clock(), list(current)
        keys = {one: (one.pod, one.container, _SAME.get(one.reason, one.reason)) for one in current}
        self._since = {key: self._since.get(key, now) for key in keys.values()}
        return next((one for one in current if self._is_permanent(one, now - self._since[keys[one]])), None)

    def _is_permanent(self, one: PodTrouble, lasted_s: float) -> bool:
        before = self._restarts.setdefault((one.pod, one.container), one.restarts)
        if one.reason == _CRASHING:
            return one.restarts - before >= _RESTARTS
        if one.reason == _UNSCHEDULABLE and _NODE_TAINT in one.message:
            return False
        patience_s = _PATIENCE_S.get(one.reason)
        return patience_s is not None and lasted_s >= patience_s


def next_command(workload: str, one: PodTrouble, *, cluster: str, kubeconfig: object, context: str) -> str:
    """Return the command that shows more about a trouble."""
    if one.reason == _CRASHING:
        return f"lab logs {workload} --cluster {cluster}"
    where = f"--kubeconfig={kubeconfig} --context={context}"
    return f"kubectl {where} --namespace={one.namespace} describe pod {one.pod}"
