"""list, build and clean, as the command line calls them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.artifacts import entry as entries
from lab.artifacts.make import make
from lab.artifacts.store import ArtifactStore
from lab.base.errors import CommandError, UsageError
from lab.lifecycle import artifacts as verbs
from tests.unit.artifacts.conftest import CATALOG

Open = Callable[..., ArtifactStore]


def lab(store: ArtifactStore) -> Any:
    return SimpleNamespace(artifacts=store)


def test_the_list_says_what_is_there(store: ArtifactStore) -> None:
    make(store, "tool")
    (store.folder("tool") / "bin/tool").write_text("tool 0ne")
    quick = {row.name: row for row in verbs.listing(lab(store), ["tool"])}
    assert (quick["tool"].there, quick["part"].there) == (True, False)
    assert (quick["tool"].wanted, quick["part"].wanted) == (True, False)
    assert (quick["tool"].source, quick["part"].state) == ("built here", "not used by this lab")
    assert {row.name: row for row in verbs.listing(lab(store), ["whole"])}["part"].state == "it is missing"
    assert quick["tool"].size_bytes == len("tool one")
    thorough = {row.name: row for row in verbs.listing(lab(store), ["tool"], verify=True)}
    assert "damaged" in thorough["tool"].state


def test_an_unknown_name_is_a_usage_error(store: ArtifactStore) -> None:
    with pytest.raises(UsageError, match="unknown artifact tol") as raised:
        verbs.steps(lab(store), ["tol"])
    assert raised.value.next == "name one or more of: tool, part, whole"


def test_clean_keeps_what_is_used(store: ArtifactStore, make_store: Open) -> None:
    for name in ("tool", "part", "whole"):
        make(store, name)
    assert list(verbs.clean(lab(store))) == []
    newer = make_store(CATALOG.replace("part one", "part two"))
    said = list(verbs.clean(lab(newer)))
    assert [line.split(" ")[1] for line in said] == ["the", "part", "whole"]
    assert newer.problem("tool") is None
    assert list(newer.all_entries()) == [newer.entry("tool")]


def test_clean_everything_begins_from_nothing(store: ArtifactStore) -> None:
    make(store, "tool")
    (store.paths.go / "mod" / "read-only").mkdir(mode=0o555)
    rendered = store.paths.initializer / "rendered"
    rendered.mkdir(parents=True)
    (rendered / "istio-east.json").write_text("[]")
    assert f"deleted {store.paths.initializer}" in list(verbs.clean(lab(store), everything=True))
    assert not store.root.exists()
    assert not store.paths.go.exists()
    assert not store.paths.initializer.exists()


def test_what_was_fetched_under_its_own_name_goes_with_everything_and_what_was_found_stays(
    store: ArtifactStore,
) -> None:
    for name, source in (("tool", "upstream"), ("part", "local")):
        make(store, name)
        entry = store.entry(name)
        assert entry is not None
        entries.publish(replace(entry, source=source, image=f"{name}.test/{name}:1"), _copy(entry.path))
        store.docker.build(store.root, tags=[f"{name}.test/{name}:1"], labels={}, arguments={})
    assert "deleted the image tool.test/tool:1" in list(verbs.clean(lab(store), everything=True))
    assert store.docker.image("part.test/part:1") is not None


def _copy(folder: Path) -> Path:
    return Path(shutil.copytree(folder, folder.with_name("copy")))


def test_clean_leaves_an_image_in_use(store: ArtifactStore, make_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tool", "part", "whole"):
        make(store, name)

    def refuse(reference: str) -> bool:
        raise CommandError(["docker", "rmi"], returncode=1, stderr="conflict: container 1 is using it")

    monkeypatch.setattr(store.docker, "remove_image", refuse)
    newer = make_store(CATALOG.replace("part one", "part two"))
    assert any("a container uses it" in line for line in verbs.clean(lab(newer)))


def test_clean_touches_no_image_of_another_name(store: ArtifactStore) -> None:
    store.docker.build(store.root, tags=["somebody/whole:1"], labels={}, arguments={})
    list(verbs.clean(lab(store), everything=True))
    assert store.docker.image("somebody/whole:1") is not None


def test_what_a_lab_uses_is_listed_with_its_source_and_without_what_is_missing(store: ArtifactStore) -> None:
    make(store, "tool")
    assert verbs.used(lab(store), ["tool", "part"]) == [
        verbs.Installed(title="a tool", version="1", source="built here"),
    ]
    assert {one.title: one.source for one in verbs.installable(lab(store))} == {
        "a tool": "built here",
        "a part": "",
        "an image": "",
    }
