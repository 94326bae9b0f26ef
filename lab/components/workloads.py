"""Scale the lab's Deployments, and delete pods that were relabelled out of those of the applications."""

from __future__ import annotations

from collections.abc import Iterator

from lab.base import wait
from lab.base.names import LAB_LABEL, NAMESPACE
from lab.base.wait import NotYet
from lab.kube import Kube, owned
from lab.kube.objects import Obj, Ref, labels_of, ref
from lab.kube.owned import Grounds


def scale(kube: Kube, deployment: Ref, replicas: int) -> None:
    """Set the replicas of a Deployment of the lab."""
    owned.change(kube, deployment, {"spec": {"replicas": replicas}}, grounds=Grounds.WORKLOAD)


def ensure_replicas(kube: Kube, deployment: Ref, wanted: int, *, timeout_s: float = 60) -> None:
    """Give a Deployment that another controller creates its number of pods, as soon as it exists.

    Raises:
        WaitTimeout: it does not exist.
    """

    def scaled() -> bool | NotYet:
        found = replicas(kube.get(deployment))
        if found is None:
            return NotYet("it does not exist")
        if found != wanted:
            scale(kube, deployment, wanted)
        return True

    wait.until(f"{deployment} in {kube.cluster.name}", scaled, timeout_s=timeout_s)


def replicas(deployment: Obj | None) -> int | None:
    """Return how many pods a Deployment shall have, None if it does not exist."""
    return None if deployment is None else int(deployment["spec"].get("replicas", 1))


def is_cordoned(kube: Kube) -> bool:
    """Return whether a created cluster's node accepts no new pods, as during and after a drain."""
    return bool(kube.cluster.node) and bool((kube.get(_node(kube)) or {}).get("spec", {}).get("unschedulable"))


def uncordon(kube: Kube) -> bool:
    """Let the cluster's node accept pods again after a drain; False if it does."""
    if not is_cordoned(kube):
        return False
    owned.change(kube, _node(kube), {"spec": {"unschedulable": None}}, grounds=Grounds.NODE)
    return True


def _node(kube: Kube) -> Ref:
    return Ref(api_version="v1", kind="Node", name=kube.cluster.node)


def delete_strays(kube: Kube) -> Iterator[Ref]:
    """Delete pods that were relabelled out of a Deployment of the lab, and yield each.

    Such a pod has the name that its ReplicaSet generated. Other pods stay.
    """
    deployments = kube.find("apps/v1", "Deployment", namespace=NAMESPACE, metadata_only=True)
    names = {obj["metadata"]["name"] for obj in deployments if LAB_LABEL in labels_of(obj)}
    for pod in kube.find("v1", "Pod", namespace=NAMESPACE):
        if not pod["metadata"].get("ownerReferences") and _generated_for(pod) in names:
            owned.discard(kube, ref(pod), grounds=Grounds.STRAY_POD)
            yield ref(pod)


def _generated_for(pod: Obj) -> str:
    """Return the Deployment of a pod from its generateName, DEPLOYMENT-HASH-; empty if it has no such name."""
    replica_set = labels_of(pod).get("pod-template-hash", "")
    generated = str(pod["metadata"].get("generateName", ""))
    return generated.removesuffix(f"-{replica_set}-") if replica_set and generated.endswith(f"-{replica_set}-") else ""
