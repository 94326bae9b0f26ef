"""Scale the lab's Deployments in the applications' namespace, and delete pods that were relabelled out of them."""

from __future__ import annotations

from collections.abc import Iterator

from lab.base.names import LAB_LABEL, NAMESPACE
from lab.kube import Kube, owned
from lab.kube.objects import Obj, Ref, labels_of, ref
from lab.kube.owned import Grounds


def scale(kube: Kube, deployment: Ref, replicas: int) -> None:
    """Set the replicas of a Deployment of the lab."""
    owned.change(kube, deployment, {"spec": {"replicas": replicas}}, grounds=Grounds.WORKLOAD)


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
