"""Remove what an earlier profile installed and the current one does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from lab.base import events
from lab.base.names import Cluster
from lab.base.step import UNCHANGED, StepResult, StepStatus
from lab.base.wait import NotYet
from lab.components import inventory
from lab.components.base import State
from lab.components.rendering import Rendering
from lab.initialize.lab_profile.components import PREFIX, rank_of
from lab.kube import Kube, connect
from lab.kube.objects import Ref
from lab.lab import Lab

NAME = f"{PREFIX}leftovers"
_GONE_S = 180
_RECONCILER = "Kustomization"
"""Flux's kind. When one is deleted that is not suspended, Flux deletes all that it applied."""


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """Removes components of a profile, the last stage first: controllers remove the finalizers of their objects.

    Args:
        wanted: returns the names of the profile's components.
        replaced: the stack's components that the profile replaces.
    """

    wanted: Callable[[Lab], Iterable[str]] = field(repr=False, compare=False)
    replaced: frozenset[str] = frozenset()
    name: str = NAME

    def observe(self, lab: Lab, cluster: Cluster) -> State:
        """Return STALE if there is something to remove."""
        return State.STALE if self._left(lab, connect(cluster)) else State.CURRENT

    def apply(self, lab: Lab, cluster: Cluster) -> StepResult:
        """Remove it, and return when it is gone.

        Raises:
            WaitTimeout: objects are still being deleted.
        """
        kube = connect(cluster)
        if not (left := self._left(lab, kube)):
            return UNCHANGED
        self._suspend(lab, kube)
        for name in left:
            events.progress(f"removing {name}")
            known = inventory.read(kube, name)
            inventory.remove(lab, kube, name)
            _wait_gone(kube, name, list(known.generations) if known else [])
        return StepResult(status=StepStatus.CHANGED, detail=f"removed {', '.join(left)}")

    def remove(self, lab: Lab, cluster: Cluster) -> None:
        """Do nothing: this component has no objects."""

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return nothing."""
        del lab, cluster
        return Rendering()

    def _left(self, lab: Lab, kube: Kube) -> list[str]:
        known = {name for name in inventory.read_all(kube) if name.startswith(PREFIX) or name in self.replaced}
        return sorted(known - {*self.wanted(lab)} if known else (), key=lambda name: (-rank_of(name), name))

    def _suspend(self, lab: Lab, kube: Kube) -> None:
        """Stop Flux, also for a profile that keeps it: its folder still has what is removed."""
        for name, known in inventory.read_all(kube).items():
            for of in known.generations:
                if name.startswith(PREFIX) and of.kind == _RECONCILER and kube.get(of) is not None:
                    inventory.owned_with(lab, kube, name, known).patch(of, {"spec": {"suspend": True}})


def _wait_gone(kube: Kube, name: str, refs: Sequence[Ref]) -> None:
    def probe() -> bool | NotYet:
        found = [of for of in refs if "deletionTimestamp" in (kube.get(of) or {"metadata": {}})["metadata"]]
        return NotYet(f"{found[0]} is still being deleted") if found else True

    what = f"the removal of {name} in {kube.cluster.name}"
    kube.wait_until(what, probe, timeout_s=_GONE_S, next=f"lab logs --cluster {kube.cluster.name}")
