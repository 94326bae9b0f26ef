"""A stack with a profile's extras among its components."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from lab.components.podinfo import DEPLOYMENT as PODINFO
from lab.initialize.choices import Choices
from lab.initialize.lab_profile import keys as profile_keys
from lab.initialize.lab_profile.components import Extra, ProfileSecrets, name_of
from lab.initialize.lab_profile.extras import OWN_INGRESS, Extras, ingress_of, mesh_of
from lab.initialize.lab_profile.flux_folder import FluxFolder
from lab.initialize.lab_profile.leftovers import NAME as LEFTOVERS
from lab.initialize.lab_profile.leftovers import Leftovers
from lab.initialize.model import ApplyStage
from lab.initialize.options import OPTIONS
from lab.initialize.tree import StageOwner
from lab.initialize.wires import WIRES
from lab.kube.objects import Ref
from lab.lab import Lab
from lab.stacks import Stack
from lab.stacks.model import ClusterComponent

_INGRESS = ("ingress", "emissary-crds")
"""The components of the stacks' own ingresses."""
_AFTER_LEFTOVERS = frozenset({"ingress", "podinfo"})
"""The stack's components that an earlier profile may have replaced, or that it scaled."""
_WHAT = {
    ApplyStage.CRDS: "install the CRDs of {}",
    ApplyStage.NAMESPACES: "create the namespaces of the profile",
    ApplyStage.OPERATORS: "install {}",
    ApplyStage.OBJECTS: "configure {}",
    ApplyStage.WIRING: "connect: {}",
}
_TITLES = {**{wire.id: wire.id for wire in WIRES}, **{id_: option.title for id_, option in OPTIONS.items()}}


class ExtendedStack:
    """A stack with the components of a profile. Implements `lab.stacks.model.Stack`: other members are the stack's.

    Args:
        base: the stack.
        choices: the profile's choices; None to remove what an earlier profile installed.
        extras: returns the extras of a lab.
        owners: returns their stages and owners.
        artifacts: returns the artifacts with their YAML, and of their images.
    """

    def __init__(
        self,
        base: Stack,
        *,
        choices: Choices | None,
        extras: Callable[[Lab], Extras],
        owners: Callable[[Lab], tuple[StageOwner, ...]],
        artifacts: Callable[[Lab], tuple[tuple[str, ...], tuple[str, ...]]],
    ) -> None:
        self._base = base
        self._choices = choices
        self._extras = extras
        self._owners = owners
        self._artifacts = artifacts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._base, name)

    def artifacts(self, lab: Lab) -> tuple[str, ...]:
        """Return the stack's artifacts, the extras' YAML, and those images of theirs that the lab can obtain."""
        manifests, images = self._artifacts(lab)
        return tuple(dict.fromkeys([*self._base.artifacts(lab), *manifests, *images]))

    def images(self, lab: Lab) -> tuple[str, ...]:
        """Return the artifacts that are images of pods."""
        return tuple(dict.fromkeys([*self._base.images(lab), *self._artifacts(lab)[1]]))

    def scaled(self, lab: Lab) -> frozenset[Ref]:
        """Return podinfo, if KEDA scales it."""
        own = self._base.scaled(lab)
        return own | {PODINFO} if self._has("keda") else own

    def answers(self, lab: Lab, cluster: str) -> Mapping[str, frozenset[str]]:
        """Return the stack's answers, without those of a podinfo that may have no pods.

        Without any, the lab asks the frontend itself (`lab.lifecycle.answers.expected_of`).
        """
        names = {of.name for of in self.scaled(lab)}
        answers = self._base.answers(lab, cluster)
        return {name: who for name, who in answers.items() if not any(name.startswith(scaled) for scaled in names)}

    def components(self, lab: Lab) -> Mapping[str, ClusterComponent]:
        """Return the stack's components, without an ingress that the profile replaces, and then the extras."""
        replaced = frozenset(_INGRESS) if self._replaces_ingress else frozenset()
        own = {name: part for name, part in self._base.components(lab).items() if name not in replaced}
        extras = {part.component.name: part for part in self._parts(lab, own)}
        leftovers = ClusterComponent(
            component=Leftovers(wanted=lambda _: extras, replaced=replaced),
            title="remove what the profile no longer has",
            estimate_s=1,
        )
        return {LEFTOVERS: leftovers, **{name: _ordered(part, own) for name, part in own.items()}, **extras}

    @property
    def _replaces_ingress(self) -> bool:
        return self._choices is not None and ingress_of(self._choices) != OWN_INGRESS[mesh_of(self._choices)]

    def _has(self, option: str) -> bool:
        return self._choices is not None and option in self._choices.ids

    def _parts(self, lab: Lab, own: Mapping[str, ClusterComponent]) -> Iterator[ClusterComponent]:
        """Yield the extras; each waits for those of the stage before its own, and by that for all earlier ones."""
        if self._choices is None:
            return
        installed, before = self._owners(lab), [LEFTOVERS]
        needs = {
            # The mesh injects into some of their pods.
            ApplyStage.OPERATORS: (self._base.control_plane, "namespaces"),
            ApplyStage.OBJECTS: (self._base.control_plane, "ingress"),
            ApplyStage.WIRING: ("ingress", "podinfo", "frontend"),
        }
        for stage in ApplyStage:
            also = [name for name in needs.get(stage, ()) if name in own]
            owners = [owner for of, owner in installed if of is stage]
            for owner in owners:
                yield ClusterComponent(
                    component=Extra(stage=stage, owner=owner, extras=self._extras),
                    title=_WHAT[stage].format(_TITLES.get(owner, owner)),
                    after=(*before, *also),
                    estimate_s=10,
                    prepared=stage in {ApplyStage.OPERATORS, ApplyStage.OBJECTS},
                )
            before = [name_of(stage, owner) for owner in owners] or before
            if stage is ApplyStage.NAMESPACES and profile_keys.needed(self._choices.ids):
                secret = ProfileSecrets(chosen=self._choices.ids)
                yield ClusterComponent(component=secret, title="create the profile's Secrets", after=tuple(before))
                before = [secret.name]
        if self._has("flux") and not self._choices.source:
            parts = [Extra(stage=stage, owner=owner, extras=self._extras) for stage, owner in installed]
            yield ClusterComponent(
                component=FluxFolder(parts=tuple(parts)),
                title="put the profile's folder into Flux's registry",
                after=tuple(before),
            )


def _ordered(part: ClusterComponent, own: Mapping[str, ClusterComponent]) -> ClusterComponent:
    """Return a component of the stack that waits for those that are left, and for the end of an earlier profile."""
    after = tuple(name for name in part.after if name in own)
    waits = part.component.name in _AFTER_LEFTOVERS
    return replace(part, after=(*after, LEFTOVERS) if waits else after)
