"""Components: sets of Kubernetes objects that the lab applies, compares and removes as one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from lab.base.names import Cluster
from lab.base.step import CHANGED, UNCHANGED, StepResult
from lab.components import inventory
from lab.components.rendering import Rendering
from lab.kube import Kube, connect
from lab.kube.objects import HAS_READINESS, Obj, Ref, digest, labelled, ref
from lab.lab import Lab


class State(Enum):
    """State of a component in its cluster."""

    ABSENT = "absent"
    STALE = "stale"
    """Installed, but an older version, incomplete, changed by others, or not ready."""
    CURRENT = "current"


class Component(Protocol):
    """Something that the lab installs into a cluster."""

    @property
    def name(self) -> str:
        """Name of the component, unique in its cluster."""

    def observe(self, lab: Lab, cluster: Cluster) -> State:
        """Return the component's state, without changing anything."""

    def apply(self, lab: Lab, cluster: Cluster) -> StepResult:
        """Install or repair the component, and return when it is ready. A second call changes nothing."""

    def remove(self, lab: Lab, cluster: Cluster) -> None:
        """Delete the component, if it exists."""

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return the component as `lab render` writes it, from the specification and the artifacts alone."""


class ManifestComponent(ABC):
    """Applies objects to a cluster (server-side apply), and deletes objects of an earlier version.

    A component returns its objects from `objects`; a few also override `after_apply`, `settled` or `waits_for`.
    """

    ready_timeout_s: float = 180

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the component, unique in its cluster."""

    @abstractmethod
    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the component's objects."""

    def after_apply(self, lab: Lab, cluster: Cluster) -> None:
        """Complete the installation after the objects exist and before they can become ready."""
        del lab, cluster

    def settled(self, lab: Lab, cluster: Cluster) -> bool:
        """Return whether the effect of `after_apply` is still in place."""
        del lab, cluster
        return True

    def waits_for(self, objects: Sequence[Obj]) -> list[Ref]:
        """Return the objects that must be ready before the component is."""
        return [ref(obj) for obj in objects if obj["kind"] in HAS_READINESS]

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return the objects, without asking a cluster."""
        objects = self.objects(lab, cluster)
        return Rendering(objects=objects, waits_for=self.waits_for(objects))

    def observe(self, lab: Lab, cluster: Cluster) -> State:
        """Return CURRENT if all objects exist as applied, unchanged by others, and ready."""
        kube, wanted = connect(cluster), self._wanted(lab, cluster)
        known = inventory.read(kube, self.name)
        if known is None:
            return State.ABSENT
        current = self._intact(lab, kube, known, wanted) and self._ready(lab, kube, wanted)
        return State.CURRENT if current else State.STALE

    def apply(self, lab: Lab, cluster: Cluster) -> StepResult:
        """Apply the objects unless they are unchanged, and return when they are ready.

        Raises:
            NotOwnedError: another owner created an object of one of the names; nothing was changed.
            WaitTimeout: an object did not become ready.
        """
        kube, wanted = connect(cluster), self._wanted(lab, cluster)
        known = inventory.read(kube, self.name)
        intact = self._intact(lab, kube, known, wanted)
        if intact and self._ready(lab, kube, wanted):
            return UNCHANGED
        applied: list[Obj] = []
        before = inventory.present(lab, kube, self.name, known.generations) if known else {}
        if not intact:
            all_refs = [ref(obj) for obj in wanted]
            applied = inventory.owned_with(lab, kube, self.name, known).apply_all(
                wanted,
                # Not earlier: the inventory must not name another owner's objects.
                once_allowed=lambda: inventory.begin(lab, kube, self.name, all_refs, old=known),
            )
        self.after_apply(lab, cluster)
        if refs := self.waits_for(wanted):
            kube.wait_ready(refs, timeout_s=self.ready_timeout_s, what=self.name)
        if not intact:
            inventory.finish(lab, kube, self.name, digest(wanted), applied, old=known)
            # UNCHANGED also if somebody changed an object and changed it back, such as a scale to 0 and to 1 again.
            if known and known.digest == digest(wanted) and inventory.generations(applied) == before:
                return UNCHANGED
        return CHANGED

    def remove(self, lab: Lab, cluster: Cluster) -> None:
        """Delete all objects in the component's inventory."""
        inventory.remove(lab, connect(cluster), self.name)

    def _wanted(self, lab: Lab, cluster: Cluster) -> list[Obj]:
        labels, objects = lab.owner(self.name).labels, self.objects(lab, cluster)
        if lab.extension is not None:
            objects = lab.extension.edited(lab, self.name, cluster.name, objects)
        return [labelled(obj, labels) for obj in objects]

    def _intact(self, lab: Lab, kube: Kube, known: inventory.Inventory | None, wanted: Sequence[Obj]) -> bool:
        """Return whether the cluster has exactly the wanted objects, unchanged since they were applied."""
        if known is None or known.digest != digest(wanted):
            return False
        return inventory.present(lab, kube, self.name, known.generations) == known.generations

    def _ready(self, lab: Lab, kube: Kube, wanted: Sequence[Obj]) -> bool:
        return not kube.lacks(self.waits_for(wanted)) and self.settled(lab, kube.cluster)
