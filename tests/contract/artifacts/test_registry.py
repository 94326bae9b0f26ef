"""The registry as a source, with a real registry and the real engine: pulls by digest, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.artifacts.catalog import parse
from lab.artifacts.make import make
from lab.artifacts.store import ArtifactStore
from lab.base.errors import ArtifactError
from lab.base.paths import Paths
from lab.config import ArtifactsSpec
from lab.tools.docker import Docker
from tests.contract.artifacts.conftest import NAME, Registry, free_port


@pytest.fixture
def store(registry: Registry, tmp_path: Path, engine: Docker) -> Iterator[ArtifactStore]:
    opened = _store(registry.digest, mirror=registry.host, folder=tmp_path, engine=engine)
    yield opened
    engine.remove_image(NAME)
    engine.remove_image(f"{registry.host}/some/thing@{registry.digest}")


def _store(digest: str, *, mirror: str, folder: Path, engine: Docker) -> ArtifactStore:
    text = (
        '[thing]\ntitle = "the thing"\nkind = "image"\nversion = "1"\nrecipe = "image"\nfolder = "python"\n'
        f'estimate_s = 1\nupstream = {{ image = "{NAME}@{digest}" }}\n'
    )
    return ArtifactStore(
        paths=Paths(cache=folder / "cache", state=folder / "state"),
        spec=ArtifactsSpec(source="upstream", mirror=mirror),
        catalog=parse(text),
        docker=engine,
    )


def test_an_image_is_pulled_by_digest_through_the_mirror(
    store: ArtifactStore, registry: Registry, engine: Docker
) -> None:
    make(store, "thing")
    assert store.problem("thing") is None
    assert store.image("thing") == NAME
    entry = store.entry("thing")
    assert entry is not None
    assert (entry.source, entry.notes["identity"]) == ("mirror", registry.digest)
    image = engine.image(NAME)
    assert image is not None
    assert image.tags == (NAME,)
    assert image.digests == (f"{registry.host}/some/thing@{registry.digest}",)


def test_what_is_there_is_not_pulled_again(store: ArtifactStore, registry: Registry) -> None:
    make(store, "thing")
    shutil.rmtree(registry.data)
    make(store, "thing")
    assert store.problem("thing") is None


def test_a_corrupt_layer_is_refused(store: ArtifactStore, registry: Registry) -> None:
    blob = registry.blob(registry.layer())
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 0xFF
    blob.write_bytes(content)
    with pytest.raises(ArtifactError, match="does not have its digest; it was deleted") as raised:
        make(store, "thing")
    assert raised.value.where == "thing"
    assert store.entry("thing") is None


def test_a_manifest_that_is_not_the_pinned_one_is_refused(store: ArtifactStore, registry: Registry) -> None:
    blob = registry.blob(registry.digest)
    blob.write_text(blob.read_text().replace('"schemaVersion": 2', '"schemaVersion":  2'))
    with pytest.raises(ArtifactError, match="does not have its digest; it was deleted"):
        make(store, "thing")


def test_a_digest_that_the_registry_does_not_have(registry: Registry, tmp_path: Path, engine: Docker) -> None:
    store = _store(f"sha256:{'d' * 64}", mirror=registry.host, folder=tmp_path, engine=engine)
    with pytest.raises(ArtifactError, match=rf"with the digest sha256:{'d' * 64}, as the catalogue") as raised:
        make(store, "thing")
    assert raised.value.next


def test_a_registry_that_does_not_answer(tmp_path: Path, engine: Docker) -> None:
    store = _store(f"sha256:{'d' * 64}", mirror=f"127.0.0.1:{free_port()}", folder=tmp_path, engine=engine)
    with pytest.raises(ArtifactError, match=r"the thing 1 is unavailable here: .*127\.0\.0\.1:\d+ does not answer"):
        make(store, "thing")


def test_an_image_without_a_digest_is_pulled_from_the_mirror_and_recorded(
    open_store: Callable[..., ArtifactStore], registry: Registry, engine: Docker
) -> None:
    store = open_store(registry.host, source="packages")
    assert store.unobtainable(["thing"]) is None
    make(store, "thing")
    assert store.image("thing") == NAME
    assert engine.image(NAME) is not None
    assert f'"{NAME}" = "{registry.digest}"' in store.pins.file.read_text()


def test_an_image_is_the_same_artifact_when_it_is_found_in_the_engine(
    open_store: Callable[..., ArtifactStore], registry: Registry
) -> None:
    first = open_store(registry.host, source="packages")
    make(first, "thing")
    shutil.rmtree(registry.data)
    shutil.rmtree(first.root)  # another user's cache, or one that was deleted
    later = open_store(registry.host, source="packages")
    assert later.source("thing") == "local"
    assert later.keys["thing"] == first.keys["thing"]
    make(later, "thing")
    assert later.problem("thing") is None
