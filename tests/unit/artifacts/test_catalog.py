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

DIGEST = "b" * 64


@pytest.mark.parametrize("artifact", list(default()), ids=lambda a: a.name)
def test_every_artifact_has_a_recipe_whose_needs_and_files_are_there(artifact: object) -> None:
    from lab.artifacts.catalog import Artifact

    assert isinstance(artifact, Artifact)
    if artifact.taken is not None:
        assert artifact.recipe is None
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
    assert re.search(r"^go 1\.26\.0$", text, re.MULTILINE)
    # What needs nothing has nothing to pin.
    assert (folder / "go.sum").exists() or "require" not in text


@pytest.mark.parametrize(
    ("upstream", "words"),
    [
        ('{ image = "example.test/x:1" }', "digest"),
        ('{ url = "https://example.test/x" }', "sha256"),
        (f'{{ url = "https://example.test/x", sha256 = "{DIGEST}" }}', "as_file"),
        (f'{{ image = "x@sha256:{DIGEST}", url = "u", sha256 = "{DIGEST}", as_file = "f" }}', "image"),
        ('{ imgae = "x" }', "imgae"),
    ],
)
def test_an_upstream_without_a_digest_is_refused(upstream: str, words: str) -> None:
    text = f'[x]\ntitle="x"\nkind="image"\nversion="1"\nrecipe="go"\nestimate_s=1\nupstream = {upstream}\n'
    with pytest.raises(ValueError, match=words):
        parse(text)


def test_an_unknown_recipe_or_option_is_refused() -> None:
    head = '[x]\ntitle="x"\nkind="image"\nversion="1"\nestimate_s=1\n'
    for table in ('recipe="goo"\n', 'recipe="go"\nfolder="kind"\npackges=["."]\n'):
        (artifact,) = parse(head + table)
        with pytest.raises(ValueError, match=r"catalog\.toml: x"):
            builders.of(artifact)
