"""Upstream's YAML runs upstream's images and the lab's alike: it names no command that only one of them has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.artifacts.catalog import default
from lab.initialize.choices import Choices, of
from lab.initialize.images import PUBLIC
from lab.initialize.model import ApplyStage
from lab.initialize.sources import StoreSources
from lab.kube.objects import Obj
from tests.contract.initialize.test_objects import rendered

PROGRAMS = {
    PUBLIC[artifact.name]: str(artifact.options["path"])
    for artifact in default()
    if artifact.name in PUBLIC and artifact.recipe == "program-image"
}
"""The images that the lab builds too, and the only program in each."""
CHOICES = tuple(
    of({"mesh": "none", "ingress": "contour", "apps": "podinfo", **given}, source="a test")
    for given in (
        {"delivery": "flux,tekton"},
        {"serverless": "keda", "observability": "prometheus,otel-collector,metrics-server"},
        {"authentication": "oauth2-proxy,oidc-provider"},
    )
)


def containers(objects: list[Obj]) -> Iterator[dict[str, Any]]:
    for obj in objects:
        pod = obj.get("spec", {}).get("template", {}).get("spec", {})
        yield from (*pod.get("containers", ()), *pod.get("initContainers", ()))
        yield from obj["spec"]["steps"] if obj["kind"] == "Task" else ()


@pytest.mark.parametrize("choices", CHOICES, ids=lambda one: one.query()[-40:])
def test_a_command_is_the_program_of_its_image(
    choices: Choices, sources: StoreSources, unavailable: dict[str, str]
) -> None:
    made = rendered(choices, sources, unavailable)
    found = [one for of_stage in made.objects["east"].values() for one in containers(list(of_stage))]
    known = [one for one in found if one["image"] in PROGRAMS]
    assert known
    assert [one["command"] for one in known if one.get("command", [""])[0] not in {"", PROGRAMS[one["image"]]}] == []


def test_tektons_controller_names_images_of_which_the_lab_builds_all_but_the_shells(
    sources: StoreSources, unavailable: dict[str, str]
) -> None:
    made = rendered(CHOICES[0], sources, unavailable)
    (controller,) = [
        one
        for one in containers(list(made.objects["east"][ApplyStage.OPERATORS]))
        if one["name"] == "tekton-pipelines-controller"
    ]
    given = dict(zip(controller["args"][::2], controller["args"][1::2], strict=True))
    # Tekton runs these by the path that ko gives to programs, as the lab's images have it.
    for name in ("entrypoint", "nop", "sidecarlogresults", "workingdirinit"):
        assert PROGRAMS[given[f"-{name}-image"]] == f"/ko-app/{name}"
    assert {flag for flag, image in given.items() if image not in PROGRAMS} == {"-shell-image", "-shell-image-win"}
