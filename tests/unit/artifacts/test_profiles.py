"""Artifacts of profiles: a lab without a profile does not get, list or ask for them; their images are not root's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.artifacts import catalog, duplicates, folders, published, registry
from lab.artifacts.catalog import Artifact, ArtifactKind
from lab.artifacts.decisions import Decision
from lab.artifacts.from_source import builders
from lab.artifacts.from_source.builders.program import ProgramImage
from lab.artifacts.make import make
from lab.artifacts.pins import Pins
from lab.artifacts.published import Published
from lab.artifacts.resolver import UPSTREAM, Match
from lab.artifacts.store import ArtifactStore
from lab.lab import Lab
from lab.lifecycle import artifacts as verbs
from lab.stacks import STACKS
from tests.unit.artifacts.conftest import CATALOG, FakeDocker
from tests.unit.artifacts.test_builders import Shelf
from tests.unit.artifacts.test_builders import work as work_of
from tests.unit.artifacts.test_verbs import lab as lab_with

Open = Callable[..., ArtifactStore]
work = work_of

EXTRA = """
[extra]
title = "an extra"
kind = "image"
version = "1"
profile = true
recipe = "assemble"
sources = ["part/part.txt"]
estimate_s = 1
upstream = { image = "extras.test/extra:1" }

[usual]
title = "a usual image"
kind = "image"
version = "1"
estimate_s = 1
upstream = { image = "usual.test/usual:1" }

[other]
title = "another usual image"
kind = "image"
version = "1"
estimate_s = 1
upstream = { image = "others.test/other:1" }
"""
PROFILE = [artifact for artifact in catalog.default() if artifact.profile]
PROGRAMS = [artifact for artifact in PROFILE if artifact.recipe == "program-image"]


def by_name(artifacts: Iterable[Artifact]) -> list[str]:
    return [artifact.name for artifact in artifacts]


# Nobody gets them who did not ask


def test_no_stack_and_no_part_of_one_needs_what_only_profiles_use(lab: Lab) -> None:
    whole = replace(lab, spec=lab.spec.model_copy(update={"viz": True}))
    known = catalog.default()
    left = [name for stack in STACKS.values() for name in (*stack.artifacts(whole), *stack.images(whole))]
    needed: set[str] = set()
    while left:
        if (name := left.pop()) not in needed:
            needed.add(name)
            left += builders.of(known[name]).needs() if known[name].recipe else ()
    assert needed.isdisjoint(by_name(PROFILE))
    assert PROFILE


def test_only_the_labs_own_program_is_built_where_upstreams_images_are_available() -> None:
    parts = {need for artifact in PROFILE if artifact.recipe for need in builders.of(artifact).needs()}
    built = [a.name for a in PROFILE if a.upstream is None and a.name not in parts and a.kind is not ArtifactKind.FILES]
    assert built == ["oidc-provider"]


def test_lists_show_what_only_profiles_use_where_it_is_or_is_wanted(make_store: Open) -> None:
    store = make_store(CATALOG + EXTRA)
    assert "extra" not in {row.name for row in verbs.listing(lab_with(store), ["tool"])}
    assert "an extra" not in {one.title for one in verbs.installable(lab_with(store))}
    assert "extra" in {row.name for row in verbs.listing(lab_with(store), ["extra"])}
    for name in ("part", "extra"):
        make(store, name)
    assert "extra" in {row.name for row in verbs.listing(lab_with(store), ["tool"])}
    assert "an extra" in {one.title for one in verbs.installable(lab_with(store))}


def test_a_registry_of_profiles_is_asked_only_for_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def answers(host: str) -> bool:
        asked.append(host)
        return True

    monkeypatch.setattr(registry, "answers", answers)
    monkeypatch.setattr(registry, "digest", lambda reference: f"sha256:{'1' * 64}")
    known = catalog.parse(EXTRA)
    pins = Pins(file=tmp_path / "lab.lock", guard=tmp_path / "held")
    source = Published(catalog=known, pins=pins, mirror=None, asks=True)
    assert isinstance(source.look(known["usual"], None), Match)
    assert sorted(asked) == ["others.test", "usual.test"]
    for _ in range(2):
        assert isinstance(source.look(known["extra"], None), Match)
    assert sorted(asked) == ["extras.test", "others.test", "usual.test"]
    assert published.registries(known) == ("extras.test", "usual.test", "others.test")


def test_nobody_is_asked_for_images_that_were_never_here_when_copies_are_deleted(make_store: Open) -> None:
    store = make_store(CATALOG + EXTRA, source="auto")
    asked: list[str] = []

    def find(artifact: Artifact) -> Any:
        asked.append(artifact.name)
        return Match(source=UPSTREAM, name=artifact.name, identity="sha256:1")

    store.resolver.find = find  # type: ignore[method-assign]
    store.decisions.assume({"whole": Decision(source="packages")})
    assert list(duplicates.remove(store)) == []
    assert asked == []


# Their images


def test_a_program_image_has_the_program_at_upstreams_path_and_is_not_root(
    tmp_path: Path, work: Callable[..., Any]
) -> None:
    class Engine(FakeDocker):
        def build(self, context: Path, **rest: Any) -> str:
            self.dockerfile = (context / "Dockerfile").read_text()
            self.modes = {path.name: path.stat().st_mode & 0o777 for path in context.iterdir()}
            return super().build(context, **rest)

    (tmp_path / "tools/bin").mkdir(parents=True)
    (tmp_path / "tools/bin/server").write_text("elf")
    (tmp_path / "tools/bin/server").chmod(0o700)
    engine = Engine()
    made = replace(work(lambda *_, **__: None), docker=engine, reference="test/x:1", needs=Shelf(tmp_path))
    recipe = ProgramImage(program="tools/bin/server", path="/opt/server", user="65532:65532")
    assert recipe.needs() == ("tools",)
    assert recipe.build(made).image_id
    assert engine.dockerfile.splitlines() == [
        "FROM scratch",
        "COPY program /opt/server",
        "USER 65532:65532",
        'ENTRYPOINT ["/opt/server"]',
    ]
    assert engine.modes == {"Dockerfile": 0o644, "program": 0o755}


@pytest.mark.parametrize("artifact", PROGRAMS, ids=lambda a: a.name)
def test_each_program_image_names_a_program_that_is_built_and_a_user_who_is_not_root(artifact: Artifact) -> None:
    recipe = builders.of(artifact)
    assert isinstance(recipe, ProgramImage)
    user, group = recipe.user.split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert recipe.path.startswith("/")
    source, _, rel = recipe.program.partition("/")
    assert rel.removeprefix("bin/") in built_by(catalog.default()[source])


def built_by(artifact: Artifact) -> set[str]:
    """Return the names of the programs that `go build` makes: the last part of the path that is not a version."""
    assert artifact.recipe == "go"
    text = (folders.find(artifact.options["folder"]) / "go.mod").read_text()
    listed = re.search(r"^tool \(\n(.*?)^\)", text, re.MULTILINE | re.DOTALL)
    tools = listed[1].split() if listed else re.findall(r"^tool (\S+)$", text, re.MULTILINE)
    paths = tools or re.findall(r"^module (\S+)$", text, re.MULTILINE)
    return {re.sub(r"/v\d+$", "", path).rpartition("/")[2] for path in paths}


def test_images_of_one_program_version_agree() -> None:
    known = catalog.default()
    for artifact in PROGRAMS:
        assert artifact.version == known[artifact.options["program"].partition("/")[0]].version
        if artifact.upstream is not None:
            assert (artifact.upstream.reference or "").rpartition(":")[2].removeprefix("v") == artifact.version
