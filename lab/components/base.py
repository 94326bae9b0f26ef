"""A component that is a set of manifests: applied, compared and removed as one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from lab.base.names import Cluster
from lab.base.step import CHANGED, UNCHANGED, StepResult
from lab.components import inventory
from lab.kube import Kube, connect
from lab.kube.objects import HAS_READINESS, Obj, Ref, digest, labelled, ref
from lab.lab import Lab


class State(Enum):
    """What `observe` found of a component."""

    ABSENT = "absent"
    STALE = "stale"
    """There, but not as wanted: an older version, half applied, or not ready."""
    CURRENT = "current"


class Component(Protocol):
    """Something that is installed into a cluster; one file each in `lab/components`."""

    @property
    def name(self) -> str:
        """Name of the component, unique in its cluster."""

    def observe(self, lab: Lab, cluster: Cluster) -> State:
        """Say what is there now, without changing it."""

    def apply(self, lab: Lab, cluster: Cluster) -> StepResult:
        """Make it be there as wanted, and return when it is ready. Doing it twice changes nothing."""

    def remove(self, lab: Lab, cluster: Cluster) -> None:
        """Delete it, if it exists."""


class ManifestComponent(ABC):
    """Applies objects to a cluster (server-side), and deletes those that are no longer among them.

    A component says what it wants in `objects`; the few that need more override `after_apply`, `settled`, `waits_for`.
    """

    ready_timeout_s: float = 180

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the component, unique in its cluster."""

    @abstractmethod
    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return what has to be in the cluster."""

    def after_apply(self, lab: Lab, cluster: Cluster) -> None:
        """Do what is left to do once the objects are there and before they can become ready."""
        del lab, cluster

    def settled(self, lab: Lab, cluster: Cluster) -> bool:
        """Say whether what `after_apply` does still holds."""
        del lab, cluster
        return True

    def waits_for(self, objects: Sequence[Obj]) -> list[Ref]:
        """Return what has to be ready before the component is."""
        return [ref(obj) for obj in objects if obj["kind"] in HAS_READINESS]

    def observe(self, lab: Lab, cluster: Cluster) -> State:
        """Say whether all is there as wanted, untouched by others, and ready."""
        kube, wanted = connect(cluster), self._wanted(lab, cluster)
        known = inventory.read(kube, self.name)
        if known is None:
            return State.ABSENT
        current = self._intact(lab, kube, known, wanted) and self._ready(lab, kube, wanted)
        return State.CURRENT if current else State.STALE

    def apply(self, lab: Lab, cluster: Cluster) -> StepResult:
        """Apply what is not as wanted, and return when all is ready.

        Raises:
            NotOwnedError: another owner created an object of one of the names; nothing was changed.
            WaitTimeout: with what did not become ready.
        """
        kube, wanted = connect(cluster), self._wanted(lab, cluster)
        known = inventory.read(kube, self.name)
        intact = self._intact(lab, kube, known, wanted)
        if intact and self._ready(lab, kube, wanted):
            return UNCHANGED
        applied: list[Obj] = []
        before = inventory.present(lab, kube, self.name, known.generations) if known else {}
        if not intact:
            objects = inventory.owned(lab, kube, self.name)
            objects.check(wanted)  # before the inventory names them
            inventory.begin(lab, kube, self.name, [ref(obj) for obj in wanted])
            applied = objects.apply_all(wanted)
        self.after_apply(lab, cluster)
        if refs := self.waits_for(wanted):
            kube.wait_ready(refs, timeout_s=self.ready_timeout_s, what=self.name)
        if not intact:
            inventory.finish(lab, kube, self.name, digest(wanted), applied)
            # What others changed and changed back, such as a scale to 0 and to 1 again, is as it was.
            if known and known.digest == digest(wanted) and inventory.generations(applied) == before:
                return UNCHANGED
        return CHANGED

    def remove(self, lab: Lab, cluster: Cluster) -> None:
        """Delete all that was ever applied."""
        inventory.remove(lab, connect(cluster), self.name)

    def _wanted(self, lab: Lab, cluster: Cluster) -> list[Obj]:
        labels = lab.owner(self.name).labels
        return [labelled(obj, labels) for obj in self.objects(lab, cluster)]

    def _intact(self, lab: Lab, kube: Kube, known: inventory.Inventory | None, wanted: Sequence[Obj]) -> bool:
        """Say whether the cluster has what is wanted, as it was applied."""
        if known is None or known.digest != digest(wanted):
            return False
        return inventory.present(lab, kube, self.name, known.generations) == known.generations

    def _ready(self, lab: Lab, kube: Kube, wanted: Sequence[Obj]) -> bool:
        return not kube.lacks(self.waits_for(wanted)) and self.settled(lab, kube.cluster)
