"""The store reports missing and damaged artifacts with the next command."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.artifacts import plan
from lab.artifacts.make import make
from lab.artifacts.store import ArtifactStore
from lab.base.errors import ArtifactError
from lab.base.step import CHANGED, UNCHANGED

Open = Callable[..., ArtifactStore]


def test_what_is_absent_is_an_error_with_the_next_command(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactError, match="tool 1 is not built") as raised:
        store.binary("tool")
    assert raised.value.next == "lab artifacts build tool"


def test_what_was_made_is_found_by_the_next_command(store: ArtifactStore, make_store: Open) -> None:
    assert make(store, "tool") is CHANGED
    again = make_store()
    assert again.binary("tool").read_text() == "tool one"
    assert make(again, "tool") is UNCHANGED


def test_an_unknown_file_names_those_that_there_are(store: ArtifactStore) -> None:
    make(store, "part")
    with pytest.raises(ArtifactError, match=r"it has: part\.txt"):
        store.file("part", "other.txt")


@pytest.mark.parametrize("harm", ["missing", "shorter", "folder"])
def test_damage_is_noticed_at_the_next_use_and_rebuilt(store: ArtifactStore, built: list[str], harm: str) -> None:
    make(store, "tool")
    file = store.binary("tool")
    file.unlink()
    if harm == "shorter":
        file.write_text("tool")
    elif harm == "folder":
        file.mkdir()
    with pytest.raises(ArtifactError, match="damaged") as raised:
        store.binary("tool")
    assert raised.value.next == "lab artifacts build tool"
    assert plan.missing(store, ["tool"]) == ["tool"]
    make(store, "tool")
    assert store.binary("tool").read_text() == "tool one"
    assert built == ["tool", "tool"]


def test_a_changed_byte_is_noticed_by_the_full_check_only(store: ArtifactStore) -> None:
    make(store, "tool")
    store.binary("tool").write_text("tool 0ne")
    assert store.problem("tool") is None
    assert "does not have the digest in the manifest" in (store.problem("tool", thorough=True) or "")


@pytest.mark.parametrize("manifest", ["", "{", "[]", '{"format": 99}', '{"format": 1, "files": 3}'])
def test_a_broken_manifest_is_no_entry(store: ArtifactStore, manifest: str) -> None:
    make(store, "tool")
    (store.folder("tool") / "manifest.json").write_text(manifest)
    assert store.entry("tool") is None
    assert make(store, "tool") is CHANGED


def test_an_image_that_the_engine_lost_is_missing(store: ArtifactStore, docker: object) -> None:
    for name in ("tool", "part", "whole"):
        make(store, name)
    assert store.problem("whole") is None
    store.docker.remove_image(store.reference("whole"))
    assert store.problem("whole") == "the engine does not have its image any more"


def test_an_image_under_the_same_name_with_another_id_is_not_trusted(store: ArtifactStore) -> None:
    for name in ("tool", "part", "whole"):
        make(store, name)
    store.docker.build(store.root, tags=[store.reference("whole")], labels={}, arguments={"other": "content"})
    assert store.problem("whole") == "the engine has another image under its name"


def test_an_image_reference_holds_the_content_key(store: ArtifactStore) -> None:
    for name in ("tool", "part", "whole"):
        make(store, name)
    assert store.image("whole") == f"eastwest-lab/whole:{store.keys['whole']}"


def test_the_estimate_is_the_last_real_build_s(store: ArtifactStore, make_store: Open) -> None:
    assert store.estimate_s(store.catalog["part"]) == 100
    make(store, "part")
    manifest = store.folder("part") / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"duration_s": 0.0', '"duration_s": 42.0'))
    assert make_store().estimate_s(store.catalog["part"]) == 42


def test_an_image_that_another_cache_built_from_the_same_is_as_good(store: ArtifactStore) -> None:
    for name in ("tool", "part", "whole"):
        make(store, name)
    labels = {"eastwest.lab/key": store.keys["whole"]}
    store.docker.build(store.root, tags=[store.reference("whole")], labels=labels, arguments={"built": "again"})
    assert store.problem("whole") is None
