"""Remove from an existing cluster exactly what the lab and its controllers created, and nothing else.

| order | what | why then |
| --- | --- | --- |
| 1 | webhooks and APIServices | without their pods, they would block the deletion of everything else |
| 2 | objects in namespaces of others, such as kube-system | |
| 3 | the lab's namespaces, except its own | with all that controllers created in them; waits until they are gone |
| 4 | GatewayClasses that istiod has created since the mark | it would create them again |
| 5 | other objects without a namespace | |
| 6 | CRDs | those that others use stay, without the lab's labels |
| 7 | the lab's own namespace | it marks the cluster as the lab's, until nothing else is left |

An interrupted removal leaves the mark: the next one continues.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from lab.base import events, wait
from lab.base.concurrency import each
from lab.base.errors import ClusterError
from lab.base.names import (
    COMPONENT_LABEL,
    LAB_ID_LABEL,
    LAB_LABEL,
    LABEL_PREFIX,
    MANAGED_BY,
    MANAGED_LABEL,
    OWN_NAMESPACE,
    SCENARIO_LABEL,
    Cluster,
)
from lab.base.wait import NotYet
from lab.clusters.existing.mark import MARK
from lab.kube import Kube, KubeError, connect, owned
from lab.kube.discovery import ServedKind, served
from lab.kube.objects import Obj, Ref, labels_of, ref
from lab.kube.owned import Grounds, Owned, Owner
from lab.lab import Lab

_GONE_S = 300.0
"""A cloud deletes a load balancer before the namespace of its Service can end."""
_AWAY = HTTPStatus.SERVICE_UNAVAILABLE
_FIRST = frozenset({"APIService", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"})
_CRD = "CustomResourceDefinition"
_GATEWAY_API = "gateway.networking.k8s.io/v1"
_ISTIO = "istio.io/"
"""Beginning of the controllers that istiod writes into its GatewayClasses (Istio, pilot gateway controller)."""
_PEOPLES = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "PersistentVolumeClaim"),
)
"""Kinds that people create. Controllers of the lab create none of these without an owner, except Linkerd's mirrors."""
_MIRROR = "mirror.linkerd.io/mirrored-service"
_NAMED = 5


@dataclass(frozen=True)
class _Found:
    """The lab's objects in a cluster."""

    objects: Sequence[Obj]
    namespaces: frozenset[str]
    """The lab's namespaces, which end with everything in them."""

    @property
    def cluster_wide(self) -> list[Obj]:
        return [obj for obj in self.objects if not obj["metadata"].get("namespace")]

    @property
    def elsewhere(self) -> list[Obj]:
        """Objects in namespaces of others."""
        places = [(obj, obj["metadata"].get("namespace", "")) for obj in self.objects]
        return [obj for obj, place in places if place and place not in self.namespaces]


def count(lab: Lab, cluster: Cluster) -> int:
    """Return how many objects the lab has in a cluster.

    Raises:
        ClusterError: it does not answer.
    """
    return len(_find(lab, connect(cluster)).objects)


def check(lab: Lab, cluster: Cluster) -> None:
    """Check that nothing of others would be deleted with the lab's namespaces.

    Raises:
        ClusterError: they contain workloads, Services or volumes that neither the lab nor its controllers created; or
            the cluster does not answer.
    """
    kube = connect(cluster)
    found = _find(lab, kube)
    strangers = [
        str(ref(obj))
        for objects in each(lambda kind: kube.find(*kind, metadata_only=True), _PEOPLES)
        for obj in objects
        if obj["metadata"].get("namespace") in found.namespaces and _is_strange(obj)
    ]
    if strangers:
        more = f" and {len(strangers) - _NAMED} more" if len(strangers) > _NAMED else ""
        raise ClusterError(
            f"namespaces of the lab contain objects that are not the lab's, and would be deleted with them: "
            f"{', '.join(strangers[:_NAMED])}{more}; nothing was removed",
            where=cluster.name,
            next="delete them, or move them to a namespace of their own; then `lab down` again",
        )


def remove(lab: Lab, cluster: Cluster) -> list[str]:
    """Remove the lab from a cluster, and return a sentence for each object that stays because others use it.

    Raises:
        ClusterError: the cluster does not answer.
        WaitTimeout: something was not gone in time; the error names it.
    """
    kube = connect(cluster)
    found = _find(lab, kube)
    if not found.objects:
        return []
    _delete(lab, kube, [obj for obj in found.cluster_wide if obj["kind"] in _FIRST])
    _delete(lab, kube, found.elsewhere)
    own = [obj for obj in found.cluster_wide if obj["kind"] == "Namespace" and ref(obj) != MARK]
    _delete(lab, kube, own)
    _wait_gone(kube, map(ref, own))
    for obj in _gateway_classes(kube, since=_created_at(next(obj for obj in found.objects if ref(obj) == MARK))):
        owned.discard(kube, ref(obj), grounds=Grounds.GATEWAY_CLASS)
    rest = [obj for obj in found.cluster_wide if obj["kind"] not in {*_FIRST, _CRD, "Namespace"}]
    _delete(lab, kube, rest)
    crds = [obj for obj in found.cluster_wide if obj["kind"] == _CRD]
    kept = _keep_used(lab, kube, crds)
    _delete(lab, kube, [crd for crd in crds if ref(crd) not in kept])
    _wait_gone(kube, [ref(crd) for crd in crds if ref(crd) not in kept])
    left = [obj for obj in _find(lab, kube).objects if _place(obj) != OWN_NAMESPACE]
    if left:
        names = ", ".join(str(ref(obj)) for obj in left[:_NAMED])
        raise ClusterError(f"still there after the removal: {names}", where=cluster.name, next="lab down again")
    _delete(lab, kube, [obj for obj in found.objects if ref(obj) == MARK])
    _wait_gone(kube, [MARK])
    return [f"{cluster.name}: {crd} stays: {used}" for crd, used in kept.items()]


def _find(lab: Lab, kube: Kube) -> _Found:
    """Return all objects with the lab's labels, of every kind that the cluster serves.

    Raises:
        KubeError: a kind cannot be listed: it could have objects of the lab.
    """
    lab_id = lab.id

    def of(kind: ServedKind) -> list[Obj]:
        try:
            return kube.find(kind[0], kind[1], labels={MANAGED_LABEL: MANAGED_BY}, metadata_only=True)
        except KubeError as error:
            # 405: the kind has no such list. 503: its own server, such as that of metrics, does not answer.
            if error.status == HTTPStatus.METHOD_NOT_ALLOWED or (error.status == _AWAY and "/" in kind[0]):
                return []
            raise

    every = [obj for objects in each(of, served(kube)) for obj in objects]
    own = [obj for obj in every if labels_of(obj).get(LAB_ID_LABEL, lab_id) == lab_id and _is_marked(obj)]
    namespaces = frozenset(obj["metadata"]["name"] for obj in own if obj["kind"] == "Namespace")
    # Namespaces of the lab's scenarios have no id: they are this lab's if the cluster is.
    return _Found(own if OWN_NAMESPACE in namespaces else [], namespaces)


def _gateway_classes(kube: Kube, *, since: str) -> list[Obj]:
    """Return the GatewayClasses that an istiod has created since the lab adopted the cluster: earlier ones stay."""
    return [
        obj
        for obj in kube.find(_GATEWAY_API, "GatewayClass")
        if str(obj["spec"].get("controllerName", "")).startswith(_ISTIO) and _created_at(obj) >= since
    ]


def _created_at(obj: Obj) -> str:
    """Return when an object was created, as the API server writes it: in UTC, and sortable."""
    return str(obj["metadata"].get("creationTimestamp", ""))


def _is_marked(obj: Obj) -> bool:
    return not {COMPONENT_LABEL, SCENARIO_LABEL}.isdisjoint(labels_of(obj))


def _is_strange(obj: Obj) -> bool:
    # Scenarios apply some of the lab's objects with kubectl, and with one of the lab's own labels only.
    known = any(label.startswith((f"{LABEL_PREFIX}/", _MIRROR)) for label in labels_of(obj))
    return not known and not obj["metadata"].get("ownerReferences") and "deletionTimestamp" not in obj["metadata"]


def _place(obj: Obj) -> str:
    """Return the namespace that an object is in, or is."""
    name: str = obj["metadata"]["name"] if obj["kind"] == "Namespace" else obj["metadata"].get("namespace", "")
    return name


def _delete(lab: Lab, kube: Kube, objects: Sequence[Obj]) -> None:
    def one(obj: Obj) -> None:
        label = COMPONENT_LABEL if COMPONENT_LABEL in labels_of(obj) else SCENARIO_LABEL
        owner = Owner(lab=lab.spec.name, lab_id=lab.id, part="", label=label)
        Owned(kube, owner).delete(ref(obj))

    if objects:
        events.progress(f"{kube.cluster.name}: deleting {len(objects)} objects")
    each(one, list(objects))


def _wait_gone(kube: Kube, refs: Iterable[Ref]) -> None:
    left = list(refs)

    def gone() -> bool | NotYet:
        still = {one: obj for one in left if (obj := kube.get(one)) is not None}
        left[:] = still
        return NotYet("; ".join(_why_still(obj) for obj in still.values())) if still else True

    if left:
        name = kube.cluster.name
        what = f"the end of what the lab had in {name}"
        wait.until(what, gone, timeout_s=_GONE_S, next="lab down again: it continues from here")


def _why_still(obj: Obj) -> str:
    """Return what is still there, and what a namespace's controller says about it."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    words = [str(one.get("message", "")) for one in conditions if one.get("status") == "True" and one.get("message")]
    return f"{ref(obj)}{f' ({words[0]})' if words else ''}"


def _keep_used(lab: Lab, kube: Kube, crds: Sequence[Obj]) -> dict[Ref, str]:
    """Return the CRDs that have objects of others, each with one of these; the lab's labels are taken from them."""
    versions = {(version.partition("/")[0], kind): version for version, kind, _ in served(kube)}

    def used(crd: Obj) -> tuple[Ref, str]:
        full = kube.get(ref(crd)) or {}
        spec = full.get("spec") or {}
        kind = str((spec.get("names") or {}).get("kind", ""))
        version = versions.get((str(spec.get("group", "")), kind))
        others = [obj for obj in kube.find(version, kind, metadata_only=True) if _is_others(obj)] if version else []
        return ref(crd), f"others use it, such as {ref(others[0])}" if others else ""

    kept = {crd: words for crd, words in each(used, list(crds)) if words}
    owner = Owner(lab=lab.spec.name, lab_id=lab.id, part="")
    labels = dict.fromkeys([MANAGED_LABEL, LAB_LABEL, LAB_ID_LABEL, COMPONENT_LABEL])
    for crd in kept:
        Owned(kube, owner).patch(crd, {"metadata": {"labels": labels}})
    return kept


def _is_others(obj: Obj) -> bool:
    return LAB_LABEL not in labels_of(obj) and "deletionTimestamp" not in obj["metadata"]
