"""With the real YAML: a lab with a profile has the objects of its folder, each once, for all pairs of choices."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from lab.base.paths import Paths
from lab.components.base import ManifestComponent
from lab.initialize import lab_profile
from lab.initialize.choices import Choices
from lab.initialize.lab_profile import LabProfile
from lab.initialize.lab_profile.extras import Extras
from lab.initialize.model import ApplyStage
from lab.initialize.render import artifacts
from lab.initialize.sources import StoreSources
from lab.initialize.tree import tree
from lab.initialize.wires import delivery
from lab.kube.objects import Obj, Ref, ref
from lab.lab import Lab
from lab.lifecycle import plan, runner
from lab.stacks import STACKS
from tests.contract.initialize.combinations import covering

_OF_THE_GATEWAY_API = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
"""Kinds of the Gateway API's safeguards, which a folder has beside its CRDs."""
_RECONCILERS = {"Kustomization", "Application"}
"""Kinds by which Flux and Argo CD apply a stage: those of a lab apply the extras only."""
_OF_A_LAB = {"platform": ("kind",), "clusters": ("east-west",)}
"""A single cluster of a folder is rendered as one of two, so that the other can be added; a lab with one has one."""
COMBINATIONS = list(
    {
        choices.query(): choices
        for choices in (one.with_(_OF_A_LAB) for one in covering()[0] if one.selected["mesh"] != ("none",))
        if not choices.broken
    }.values()
)


def lab_of(choices: Choices, sources: StoreSources, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Return a lab with these choices; its images are upstream's, as those of a folder."""
    own = sources.lab
    monkeypatch.setattr(Extras, "_is_artifact", lambda *_: False)
    paths = Paths(cache=own.paths.cache, state=folder / "state" / own.spec.name)
    for name in ("CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(name, "a test")
    return lab_profile.chosen(replace(own, paths=paths), f"?{choices.query()}")


@pytest.mark.parametrize("choices", COMBINATIONS, ids=lambda one: one.query())
def test_a_lab_with_a_profile_has_the_objects_of_its_folder(
    choices: Choices,
    sources: StoreSources,
    unavailable: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if missing := [f"{name}: {unavailable[name]}" for name in artifacts(choices) if name in unavailable]:
        pytest.skip(missing[0])
    lab = lab_of(choices, sources, tmp_path, monkeypatch)
    profile = lab.extension
    assert isinstance(profile, LabProfile)
    assert profile.choices is not None
    monkeypatch.setattr(plan.artifacts, "steps", lambda store, wanted: [])
    runner.check(plan.up(lab))
    made = tree(profile.choices, sources)
    for cluster in lab.clusters:
        applied = objects_of(lab, cluster)
        assert [of for of, count in Counter(map(ref, applied)).items() if count > 1] == []
        by_ref = {ref(obj): obj for obj in applied}
        wanted = {ref(obj): obj for stage in ApplyStage for obj in made.objects[cluster][stage]}
        missing = {of for of in {*wanted} - {*by_ref} if of.kind not in _OF_THE_GATEWAY_API | _RECONCILERS}
        assert sorted(missing) == []
        different = [of for of, obj in wanted.items() if of in by_ref and by_ref[of] != obj and not _may_differ(of)]
        assert different == []
        if {"flux", "argocd"} & profile.choices.ids:
            assert {of.name for of in by_ref if of.kind in _RECONCILERS} == reconciled(lab)


def reconciled(lab: Lab) -> set[str]:
    """Return the names of what reconciles a lab's folder, which has the extras only: an object for each stage."""
    assert isinstance(lab.extension, LabProfile)
    owners = lab.extension.extras(lab).owners()
    return {delivery.stage_name(stage) for stage, _ in owners}


def objects_of(lab: Lab, cluster: str) -> list[Obj]:
    """Return what `lab up` applies to a cluster; without CRDs that are copied as text, and without Secrets."""
    profile, place = lab.extension, lab.clusters[cluster]
    assert isinstance(profile, LabProfile)
    stack = profile.extended(STACKS[lab.spec.stack])
    components = [part.component for part in stack.components(lab).values()]
    pairs = [(source, target) for source in lab.clusters for target in lab.clusters if source != target]
    links = [part for source, target in pairs for part in stack.link_components(lab, source, target)]
    components += [part.component for part in links if part.cluster == cluster]
    found: list[Obj] = []
    for component in components:
        if not isinstance(component, ManifestComponent) or _is_left_out(component.name):
            continue
        own = component.rendering(replace(lab, extension=None), place).public
        found += profile.edited(lab, component.name, cluster, own)
    return found


def _is_left_out(name: str) -> bool:
    """Return whether a component's objects are not compared: upstream's CRDs take seconds to parse."""
    return name == "gateway-api" or (name.startswith("profile-") and name.endswith(("-crds", "-folder")))


def _may_differ(of: Ref) -> bool:
    return of.kind == "Namespace" or of.kind in _RECONCILERS
