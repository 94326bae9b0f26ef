"""A content key changes with everything that determines the content, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.artifacts.store import ArtifactStore
from lab.tools.docker import Image
from tests.unit.artifacts.conftest import CATALOG, FakeDocker

Open = Callable[..., ArtifactStore]


def test_the_same_catalogue_gives_the_same_keys(make_store: Open) -> None:
    one, other = make_store(), make_store()
    assert [one.keys[a.name] for a in one.catalog] == [other.keys[a.name] for a in other.catalog]


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (
            'version = "1"\nrecipe = "write"\ntext = "tool one"',
            'version = "1.1"\nrecipe = "write"\ntext = "tool one"',
            {"tool", "whole"},
        ),
        ("part one", "part two", {"part", "whole"}),
        ('version = "2"', 'version = "3"', {"whole"}),
        ("estimate_s = 100", "estimate_s = 200", set()),
        ("a part", "the part", set()),
    ],
)
def test_a_change_reaches_what_is_made_from_it(make_store: Open, before: str, after: str, changed: set[str]) -> None:
    old, new = make_store(), make_store(CATALOG.replace(before, after))
    assert {a.name for a in old.catalog if old.keys[a.name] != new.keys[a.name]} == changed


def test_a_recipe_s_files_are_in_the_key(tmp_path: object, make_store: Open) -> None:
    from pathlib import Path

    from lab.artifacts.keys import Keys
    from lab.artifacts.recipe import Recipe
    from tests.unit.artifacts.conftest import Write

    folder = Path(str(tmp_path)) / "recipe"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch")

    class WithFiles(Write):
        def inputs(self) -> list[Path]:
            return [folder]

    recipe: Recipe = WithFiles(text="t", path="p")

    def key() -> str:
        store = make_store()
        return Keys(store.catalog, {"tool": recipe}, decisions=store.decisions, pins=store.pins)["tool"]

    before = key()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_text("left by a tool")
    assert key() == before
    (folder / "Dockerfile").write_text("FROM other")
    assert key() != before


def test_the_source_is_in_the_key_of_what_upstream_has(make_store: Open, docker: FakeDocker) -> None:
    reference, digest = "example.test/whole:2", f"sha256:{'a' * 64}"
    end = f'estimate_s = 10\nupstream = {{ image = "{reference}@{digest}" }}\n'
    text = CATALOG.replace("estimate_s = 10\n", end)
    docker.known[reference] = Image(
        id="1", tags=(), labels={}, digests=(f"example.test/whole@{digest}",), architecture="amd64", size_bytes=1
    )
    packages, upstream = make_store(text), make_store(text, source="upstream")
    assert packages.keys["tool"] == upstream.keys["tool"]
    assert packages.keys["whole"] != upstream.keys["whole"]
    assert upstream.keys.needs("whole") == ()
