"""Wait until a cluster is ready after its node was started.

Right after a start the API server still reports the state before it: node Ready, pods running. The node's lease and
the start times of containers show whether a status is newer than the start.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

from lab.base import wait
from lab.base.wait import NotYet
from lab.kube import Kube, KubeError
from lab.kube.objects import Obj, Ref, unready

_LEASES = "kube-node-lease"


def wait_for_api(kube: Kube, *, timeout_s: float = 120) -> None:
    """Wait until the API server reports that it is ready.

    Raises:
        WaitTimeout: it does not in time.
    """
    name = kube.cluster.name

    def ready() -> bool | NotYet:
        try:
            return kube.read("/readyz", timeout_s=5) == "ok" or NotYet("not ready")
        except KubeError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            # Right after its start the API server answers before it has loaded the RBAC rules.
            return NotYet("does not know its administrator yet")

    wait.until(
        f"{name}'s API server",
        ready,
        timeout_s=timeout_s,
        next=f"docker logs {kube.cluster.node}",
    )


def wait_until_back(kube: Kube, *, since: datetime | None, restarted: bool = True, timeout_s: float = 180) -> None:
    """Wait until the API server answers, the node is Ready, and the status of both is newer than `since`.

    Args:
        kube: API client of the cluster.
        since: time at which the node was started or resumed.
        restarted: whether the pods' containers restarted with the node; they do not after a pause.
        timeout_s: seconds for the API server, and again for the node.

    Raises:
        WaitTimeout: the error says which status is old or missing.
    """
    wait_for_api(kube, timeout_s=timeout_s)
    name = kube.cluster.name
    wait.until(
        f"{name}'s node",
        lambda: _stale(kube, since, restarted=restarted) or True,
        timeout_s=timeout_s,
        next=f"docker logs {kube.cluster.node}",
    )


def _stale(kube: Kube, since: datetime | None, *, restarted: bool) -> NotYet | None:
    node = kube.get(Ref(api_version="v1", kind="Node", name=kube.cluster.node))
    if node is None:
        return NotYet("the node has not registered")
    if reason := unready(node):
        return NotYet(reason)
    if since is None:
        return None
    lease = kube.get(Ref(api_version="coordination.k8s.io/v1", kind="Lease", name=kube.cluster.node, namespace=_LEASES))
    if lease is None or _time(lease["spec"]["renewTime"]) < since:
        return NotYet("the kubelet has not reported since the start")
    if not restarted:
        return None
    stale = sum(_from_before(pod, since) for pod in kube.find("v1", "Pod"))
    return NotYet(f"{stale} pods have no status from after the start") if stale else None


def _from_before(pod: Obj, since: datetime) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses") or []
    started = [s["state"]["running"]["startedAt"] for s in statuses if "running" in s.get("state", {})]
    return any(_time(text) < since.replace(microsecond=0) for text in started)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
