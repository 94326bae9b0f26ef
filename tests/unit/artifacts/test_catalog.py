"""The lab's own catalogue is complete, and an invalid one is rejected."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from lab.artifacts.catalog import default, parse
from lab.artifacts.from_source import builders
from lab.lab import Lab
from lab.stacks import STACKS
from lab.tools import go

DIGEST = "b" * 64


@pytest.mark.parametrize("artifact", list(default()), ids=lambda a: a.name)
def test_every_artifact_has_a_recipe_whose_needs_and_files_are_there(artifact: object) -> None:
    from lab.artifacts.catalog import Artifact

    assert isinstance(artifact, Artifact)
    if artifact.recipe is None:
        assert artifact.upstream is not None
        return
    recipe = builders.of(artifact)
    assert set(recipe.needs()) <= {a.name for a in default()}
    for given in recipe.inputs():
        assert Path(given).exists()


def test_the_names_that_the_lab_asks_for_are_there(lab: Lab) -> None:
    whole = replace(lab, spec=lab.spec.model_copy(update={"viz": True}))
    names = {a.name for a in default()}
    for stack in STACKS.values():
        assert {*stack.artifacts(whole), *stack.images(whole), stack.node_image} <= names


@pytest.mark.parametrize("artifact", [a for a in default() if a.recipe == "go"], ids=lambda a: a.name)
def test_every_go_module_is_pinned_by_a_go_sum(artifact: object) -> None:
    from lab.artifacts.catalog import Artifact

    assert isinstance(artifact, Artifact)
    (folder,) = builders.of(artifact).inputs()
    text = (folder / "go.mod").read_text()
    toolchain = go.version(f"go{default()['go'].version}")
    assert re.search(r"^go 1\.26\.\d+$", text, re.MULTILINE)
    assert toolchain is not None
    assert go.required(text) <= toolchain
    # What needs nothing has nothing to pin.
    assert (folder / "go.sum").exists() or "require" not in text


@pytest.mark.parametrize(
    ("upstream", "words"),
    [
        ("{}", "exactly one of `image`, `chart` and `url`"),
        (f'{{ image = "x@sha256:{DIGEST}", url = "u", as_file = "f" }}', "exactly one of"),
        ('{ image = "a", chart = "b" }', "exactly one of"),
        ('{ image = "example.test/x:1@sha256:12" }', "no digest of the form"),
        ('{ url = "https://example.test/x" }', "`as_file` is for a `url`, and each `url` needs it"),
        ('{ image = "a", as_file = "b" }', "`as_file` is for a `url`"),
        ('{ image = "a", checksum = ".sha256" }', "for a `url` only"),
        ('{ image = "a", registry = "registry.test" }', "`registry` is for a `chart` only"),
        ('{ url = "u", as_file = "f", sha256 = { any = "12" } }', "64 hexadecimal digits"),
        (f'{{ url = "u", as_file = "f", sha256 = {{ beos-ppc = "{DIGEST}" }} }}', "unknown platform beos-ppc"),
        ('{ imgae = "x" }', "imgae"),
    ],
)
def test_an_upstream_that_names_no_build_or_two_is_refused(upstream: str, words: str) -> None:
    text = f'[x]\ntitle="x"\nkind="image"\nversion="1"\nrecipe="go"\nestimate_s=1\nupstream = {upstream}\n'
    with pytest.raises(ValueError, match=words) as raised:
        parse(text)
    assert "catalog.toml: x: " in str(raised.value)


def test_an_artifact_has_a_recipe_or_upstreams_build() -> None:
    with pytest.raises(ValueError, match="needs `recipe`, `upstream` or both"):
        parse('[x]\ntitle="x"\nkind="files"\nversion="1"\nestimate_s=1\n')


def test_artifacts_that_work_only_together_are_one_group() -> None:
    istio = {a.name: a for a in default() if a.upstream is not None and a.upstream.group == "istio"}
    assert set(istio) == {"istioctl", "istio-pilot", "istio-proxy"}
    assert len({a.version_from(upstream=True) for a in istio.values()}) == 1
    assert all(a.recipe for a in istio.values())


def test_what_a_lab_without_a_compiler_needs_has_upstreams_build(lab: Lab) -> None:
    """Only the lab's own frontend and the node images are made here; nothing that they are made from is compiled."""
    catalog = default()
    left = [name for stack in STACKS.values() for name in (*stack.artifacts(lab), *stack.images(lab))]
    made: set[str] = set()
    while left:
        if catalog[name := left.pop()].upstream is None:
            made.add(name)
            left += builders.of(catalog[name]).needs()
    assert made == {"node-image", "node-image-linkerd", "frontend", "frontend-packages"}


def test_an_unknown_recipe_or_option_is_refused() -> None:
    head = '[x]\ntitle="x"\nkind="image"\nversion="1"\nestimate_s=1\n'
    for table in ('recipe="goo"\n', 'recipe="go"\nfolder="kind"\npackges=["."]\n'):
        (artifact,) = parse(head + table)
        with pytest.raises(ValueError, match=r"catalog\.toml: x"):
            builders.of(artifact)


def test_a_node_image_has_the_version_that_both_sources_of_its_base_share() -> None:
    baked = [artifact for artifact in default() if artifact.recipe == "bake"]
    assert baked
    for artifact in baked:
        base = default()[artifact.options["base"]]
        for upstream in (True, False):
            assert base.version_from(upstream=upstream).startswith(f"{artifact.version}.")
