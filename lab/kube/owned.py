"""Change Kubernetes objects after a check of their owner. No other module changes them.

`Owned` creates, changes and deletes the objects of one owner and refuses all others. Where the lab has to change an
object that another owner created, `Grounds` names the reason. tests/unit/test_ownership_of_writes.py finds any other
caller of the API's writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby
from typing import Any

from lab.base import wait
from lab.base.concurrency import each
from lab.base.errors import ClusterError
from lab.base.names import COMPONENT_LABEL, LAB_ID_LABEL, LAB_LABEL, MANAGED_BY, MANAGED_LABEL, SCENARIO_LABEL
from lab.kube import preview
from lab.kube.client import Kube
from lab.kube.errors import NotNow
from lab.kube.objects import Obj, Ref, is_deleted, labelled, labels_of, rank, ref
from lab.kube.writes import Verb


class NotOwnedError(ClusterError):
    """The object exists, and another owner created it. Nothing was changed."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A part of a lab that creates objects.

    Args:
        lab: the lab's name.
        lab_id: the lab's id, empty for a lab that was started before labs had one.
        label: the label whose value names the part.
        part: the label's value; empty for any value, to find and delete only.
    """

    lab: str
    lab_id: str
    part: str
    label: str = COMPONENT_LABEL

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object of this owner."""
        ids = {LAB_ID_LABEL: self.lab_id} if self.lab_id else {}
        return {MANAGED_LABEL: MANAGED_BY, LAB_LABEL: self.lab, **ids, self.label: self.part}

    def owns(self, obj: Mapping[str, Any]) -> bool:
        """Return whether an object has this owner's labels. Objects of a lab without an id lack that label."""
        labels = labels_of(obj)
        part = labels.get(self.label)
        return (
            part is not None
            and (not self.part or part == self.part)
            and labels.get(LAB_LABEL, self.lab) == self.lab
            and (not self.lab_id or labels.get(LAB_ID_LABEL, self.lab_id) == self.lab_id)
        )


class Grounds(Enum):
    """Why the lab changes or deletes an object that it did not create: the object's kind, and the reason."""

    NODE = ("Node", "the kubelet created it, in a cluster of the lab; the lab sets its labels and undoes its cordon")
    CLUSTER_DNS = ("ConfigMap", "kubeadm's CoreDNS, whose answers must expire soon")
    CLUSTER_DNS_POD = ("Pod", "a CoreDNS pod that has read the old configuration; its Deployment creates a new one")
    INJECTOR_POD = ("Pod", "Linkerd's injector, which has read an old trust anchor; its Deployment creates a new one")
    LOAD_BALANCER = ("Service", "the lab acts as the cloud's controller: it writes the status of a LoadBalancer")
    EXPORT = ("Service", "Linkerd exports a Service by a label, and a person named this Service")
    FAILURES = ("Service", "Linkerd reads the limit of failures from the called Service, and a person named it")
    GATEWAY_CALLERS = ("MeshTLSAuthentication", "part of Linkerd's extension; permissions narrow it")
    MIRROR = ("Service", "Linkerd's service mirror created it for a link that is gone")
    PROFILE = ("ServiceProfile", "Linkerd's SMI adaptor created it for a split that is gone")
    GATEWAY_CLASS = ("GatewayClass", "the lab's istiod created it, in a cluster that keeps the Gateway API's CRDs")
    WORKLOAD = ("Deployment", "lab.toml says how many pods it has; Istio or a person gave it another number")
    STRAY_POD = ("Pod", "a pod of the lab's Deployment without its labels, which nobody else deletes")

    def __init__(self, kind: str, reason: str) -> None:
        self.kind = kind
        self.reason = reason


@dataclass(frozen=True)
class Owned:
    """The objects of one owner in one cluster."""

    kube: Kube
    owner: Owner
    uids: Mapping[Ref, str] = field(default_factory=dict)
    """Objects that this owner is known to have created, by uid, even if their labels were removed."""

    def apply(self, obj: Obj) -> Obj:
        """Create an object or update its fields (server-side apply), with the owner's labels.

        Raises:
            NotOwnedError: another owner created an object of that name.
            NotNow: the object is still being deleted: what was applied ends with it.
        """
        self.check([obj])
        return self._apply(obj)

    def apply_all(
        self, objects: Iterable[Obj], *, timeout_s: float = 60, once_allowed: Callable[[], object] | None = None
    ) -> list[Obj]:
        """Apply objects, dependencies first, independent ones in parallel.

        Args:
            objects: the objects.
            timeout_s: time limit of the check of owners, and of each object's apply.
            once_allowed: called after the check of all owners and before the first change.

        Returns:
            Each object as the server has it now.

        Raises:
            NotOwnedError: another owner created one of that name; none was applied.
            WaitTimeout: one could not be applied within `timeout_s`, with the server's last error.
        """
        wanted, applied = list(objects), list[Obj]()
        name = self.kube.cluster.name

        def checked() -> bool:
            self.check(wanted)
            return True

        wait.until(f"the owners of objects in {name}", checked, timeout_s=timeout_s)
        if once_allowed is not None:
            once_allowed()

        def one(obj: Obj) -> Obj:
            what = f"the apply of {ref(obj)} in {name}"
            return wait.until(what, lambda: self._apply(obj), timeout_s=timeout_s, next="lab up")

        ordered = sorted(wanted, key=lambda obj: rank(obj["kind"]))
        for _, group in groupby(ordered, key=lambda obj: rank(obj["kind"])):
            # No wait for new CRDs: the server refuses their objects for a moment, and `one` retries.
            applied += each(one, list(group))
        return applied

    def ensure_all(self, objects: Sequence[Obj], *, timeout_s: float = 60) -> bool:
        """Apply objects as `apply_all`, and return whether that changed any of them."""
        before = [self.kube.get(ref(obj)) for obj in objects]
        after = self.apply_all(objects, timeout_s=timeout_s)

        def versions(found: Iterable[Obj | None]) -> set[str]:
            # An object that a preview creates has no version.
            return {obj["metadata"].get("resourceVersion", "") for obj in found if obj is not None}

        return versions(before) != versions(after)

    def patch(self, wanted: Ref, change: Mapping[str, Any]) -> Obj:
        """Change fields of an object of this owner (JSON merge patch).

        Raises:
            NotOwnedError: another owner created it.
        """
        found = self.kube.get(wanted)
        if found is not None and not self._owns(found):
            raise self._refusal(found)
        return self.kube.write(Verb.PATCH, wanted, body=change) or {}

    def delete(self, wanted: Ref) -> bool:
        """Delete an object of this owner and its dependents; False if this owner has none of that name."""
        found = self.kube.get(wanted)
        if found is None or not self._owns(found):
            return False
        # Delete the object that was checked, not a newer one of the same name.
        return _delete(self.kube, wanted, uid=found["metadata"].get("uid"))

    def foreign(self, refs: Iterable[Ref]) -> list[Obj]:
        """Return those of the objects that exist and belong to another owner."""
        wanted = set(refs)
        return [obj for obj in _existing(self.kube, wanted) if not self._owns(obj)]

    def check(self, objects: Iterable[Obj]) -> None:
        """Check that all objects can be applied.

        Raises:
            NotOwnedError: another owner created an object of one of the names.
        """
        if foreign := self.foreign(map(ref, objects)):
            raise self._refusal(foreign[0])

    def _owns(self, obj: Obj) -> bool:
        uid = self.uids.get(ref(obj))
        return self.owner.owns(obj) or (uid is not None and uid == obj["metadata"].get("uid"))

    def _apply(self, obj: Obj) -> Obj:
        wanted = labelled(obj, self.owner.labels)
        applied = self.kube.write(Verb.APPLY, ref(obj), body=wanted) or {}
        if applied and is_deleted(applied) and preview.current() is None:
            finalizers = ", ".join(applied["metadata"].get("finalizers") or ())
            words = f" (finalizers: {finalizers})" if finalizers else ""
            raise NotNow(f"{ref(obj)} is still being deleted{words}", where=self.kube.cluster.name, next="lab up")
        return applied

    def _refusal(self, obj: Obj) -> NotOwnedError:
        wanted, cluster = ref(obj), self.kube.cluster
        namespace = f" --namespace={wanted.namespace}" if wanted.namespace else ""
        delete = f"kubectl --context={cluster.context}{namespace} delete {wanted.kind.lower()} {wanted.name}"
        by_hand = "" if LAB_LABEL in labels_of(obj) else f"; or, if nobody needs that {wanted.kind}, `{delete}`"
        return NotOwnedError(
            f"{wanted} exists already and {owner_words(obj)}; nothing was changed",
            where=cluster.name,
            next=f"choose another name{by_hand}",
        )


def change(kube: Kube, wanted: Ref, fields: Mapping[str, Any], *, grounds: Grounds, status: bool = False) -> Obj:
    """Change fields of an object that the lab did not create, or of its status (JSON merge patch)."""
    _allow(wanted, grounds)
    return kube.write(Verb.PATCH, wanted, body=fields, status=status) or {}


def discard(kube: Kube, wanted: Ref, *, grounds: Grounds) -> bool:
    """Delete an object that the lab did not create; False if it did not exist."""
    _allow(wanted, grounds)
    return _delete(kube, wanted)


def _allow(wanted: Ref, grounds: Grounds) -> None:
    if wanted.kind != grounds.kind:
        raise ValueError(f"{wanted} is not a {grounds.kind}: {grounds.reason}")


def _delete(kube: Kube, wanted: Ref, *, uid: str | None = None) -> bool:
    only = {"preconditions": {"uid": uid}} if uid else {}
    return kube.write(Verb.DELETE, wanted, body={"propagationPolicy": "Background", **only}) is not None


def _existing(kube: Kube, wanted: set[Ref]) -> list[Obj]:
    """Return the metadata of the objects that exist, with one request for each kind and namespace."""
    groups = sorted({(one.api_version, one.kind, one.namespace) for one in wanted})

    def existing_of(group: tuple[str, str, str]) -> list[Obj]:
        api_version, kind, namespace = group
        refs = [one for one in wanted if (one.api_version, one.kind, one.namespace) == group]
        if len(refs) == 1:
            one = kube.get(refs[0])
            return [one] if one is not None else []
        names = {one.name for one in refs}
        objects = kube.find(api_version, kind, namespace=namespace, metadata_only=True)
        return [obj for obj in objects if obj["metadata"]["name"] in names]

    return [obj for objects in each(existing_of, groups) for obj in objects]


def owner_words(obj: Obj) -> str:
    """Return an object's owner, as the end of a sentence: "belongs to …"."""
    labels = labels_of(obj)
    if scenario := labels.get(SCENARIO_LABEL):
        return f"belongs to {'`lab dev`' if scenario == 'dev' else f'the scenario {scenario}'}"
    if lab := labels.get(LAB_LABEL):
        return f"belongs to the part {labels.get(COMPONENT_LABEL, '?')} of the lab {lab}"
    manager = labels.get(MANAGED_LABEL)
    return f"belongs to {manager}" if manager else "does not carry the lab's labels"
