"""Every object of every option, and of all pairs of options, fits the schemas of Kubernetes and of its CRDs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from lab.initialize.choices import Choices, default
from lab.initialize.model import ApplyStage
from lab.initialize.options import CATEGORIES, OPTIONS
from lab.initialize.render import artifacts
from lab.initialize.sources import StoreSources
from lab.initialize.tree import Tree, tree
from lab.kube import manifests
from lab.kube.objects import Obj, annotations_of, ref
from tests.contract.initialize.combinations import covering
from tests.contract.initialize.conftest import SCHEMAS
from tests.contract.initialize.schemas import Schemas

COMBINATIONS, IMPOSSIBLE = covering()


def name_of(choices: Choices) -> str:
    return "+".join(id_ for ids in choices.selected.values() for id_ in ids)


def rendered(choices: Choices, sources: StoreSources, unavailable: dict[str, str]) -> Tree:
    """Return the tree of possible choices; skip if the YAML of one is unavailable."""
    for name in artifacts(choices):
        if name in unavailable:
            pytest.skip(unavailable[name])
    return tree(choices, sources)


@pytest.fixture(scope="module")
def schemas(sources: StoreSources, unavailable: dict[str, str]) -> Schemas:
    entry = sources.store.entry(SCHEMAS)
    assert entry is not None
    found = Schemas(entry.path)
    for option in OPTIONS.values():
        for artifact in option.manifests:
            if artifact.endswith("-manifests") and artifact not in unavailable:
                found.add(manifests.parse(sources.crds(artifact), source=artifact))
    for stack, component in (("istio", "istio"), ("linkerd", "linkerd-crds"), ("linkerd", "emissary-crds")):
        if not {"istio": {"istioctl"}, "linkerd": {"linkerd", "emissary-crds"}}[stack] & {*unavailable}:
            objects = sources.component(stack, component, "east").public
            found.add(obj for obj in objects if obj["kind"] == "CustomResourceDefinition")
    if "linkerd" not in unavailable:
        objects = sources.component("linkerd", "multicluster", "east").public
        found.add(obj for obj in objects if obj["kind"] == "CustomResourceDefinition")
    return found


def objects_of(made: Tree) -> Iterator[Obj]:
    for of in made.objects.values():
        for objects in of.values():
            yield from objects


@pytest.mark.parametrize("choices", COMBINATIONS, ids=name_of)
def test_all_pairs_fit_their_schemas(
    choices: Choices, sources: StoreSources, unavailable: dict[str, str], schemas: Schemas
) -> None:
    made = rendered(choices, sources, unavailable)
    checked = [obj for obj in objects_of(made) if obj["kind"] != "CustomResourceDefinition"]
    assert checked or choices.ids & {"none"}
    assert [problem for obj in checked for problem in schemas.problems(obj)] == []


@pytest.mark.parametrize("choices", COMBINATIONS, ids=name_of)
def test_no_object_is_twice_in_a_stage_and_each_has_its_namespace(
    choices: Choices, sources: StoreSources, unavailable: dict[str, str]
) -> None:
    made = rendered(choices, sources, unavailable)
    for cluster in choices.clusters:
        stages = made.objects[cluster]
        for objects in stages.values():
            twice = [str(of) for of, count in Counter(map(ref, objects)).items() if count > 1]
            assert twice == []
        spaces = {obj["metadata"]["name"] for obj in stages[ApplyStage.NAMESPACES]}
        used = {obj["metadata"].get("namespace", "") for of in stages.values() for obj in of}
        assert used - spaces <= {"", "default", "kube-system"}


@pytest.mark.parametrize("choices", [one for one in COMBINATIONS if "linkerd" in one.ids], ids=name_of)
def test_no_pod_is_created_before_the_injector_of_its_proxy(
    choices: Choices, sources: StoreSources, unavailable: dict[str, str]
) -> None:
    made = rendered(choices, sources, unavailable)
    for of in made.objects.values():
        spaces = {obj["metadata"]["name"] for obj in of[ApplyStage.NAMESPACES] if _asks_for_a_proxy(obj)}
        pods = {
            f"{obj['kind']} {obj['metadata']['name']}": obj["spec"]["template"]
            for stage in (ApplyStage.CRDS, ApplyStage.OPERATORS)
            for obj in of[stage]
            if "template" in obj.get("spec", {}) and obj["metadata"].get("namespace") not in spaces
        }
        in_spaces = [obj for obj in of[ApplyStage.OPERATORS] if "template" in obj.get("spec", {})]
        assert [name for name, pod in pods.items() if _asks_for_a_proxy(pod)] == []
        assert [obj["metadata"]["name"] for obj in in_spaces if obj["metadata"].get("namespace") in spaces] == []


def _asks_for_a_proxy(obj: Obj) -> bool:
    return annotations_of(obj).get("linkerd.io/inject") == "enabled"


def test_each_pair_is_possible_or_a_rule_says_why() -> None:
    for (first, one), (second, other) in IMPOSSIBLE:
        broken = default().with_({first: one, second: other}).broken
        assert broken, f"{first} {one} and {second} {other} cannot be completed, and no rule says why"


def test_a_wrong_field_is_a_problem(schemas: Schemas) -> None:
    good: Obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}
    assert list(schemas.problems(good)) == []
    bad = {**good, "spec": {"portz": []}}
    assert any("portz" in problem for problem in schemas.problems(bad))
    scaled: Obj = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "a"}, "spec": {}}
    assert any("scaleTargetRef" in problem for problem in schemas.problems(scaled))
    assert any("no schema" in problem for problem in schemas.problems({**good, "kind": "Thing"}))


def test_every_category_is_in_the_combinations() -> None:
    for category in CATEGORIES:
        chosen = {id_ for choices in COMBINATIONS for id_ in choices.selected[category.id]}
        assert chosen >= {option.id for option in category.options if option.selectable}
