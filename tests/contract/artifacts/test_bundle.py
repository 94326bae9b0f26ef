"""A bundle with a real engine: an image of its own is saved, removed, loaded and compared."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.artifacts.bundle import load, save
from lab.artifacts.bundle.members import BundleReader
from lab.artifacts.catalog import parse
from lab.artifacts.make import make
from lab.artifacts.store import ArtifactStore
from lab.base.errors import CommandError
from lab.base.paths import Paths
from lab.config import ArtifactsSpec
from lab.tools.docker import Docker

SIZE = 10 << 20
"""More than two blocks of the compression, so that the engine reads a gzip file of several parts."""


@pytest.fixture
def reference(engine: Docker, tmp_path: Path) -> Iterator[str]:
    """An image with a file of random bytes."""
    name = f"registry.test/eastwest-lab-test/bundle:{uuid.uuid4().hex[:8]}"
    context = tmp_path / "context"
    context.mkdir()
    (context / "random").write_bytes(os.urandom(SIZE))
    (context / "Dockerfile").write_text('FROM scratch\nCOPY random /random\nCMD ["/random"]\n')
    engine.build(context, tags=[name], labels={"eastwest.lab/test": "bundle"})
    yield name
    engine.remove_image(name)


@pytest.fixture
def opened(engine: Docker, reference: str, tmp_path: Path) -> Callable[[str], ArtifactStore]:
    """Return a function that opens the store of a machine; all of them have the same engine."""
    text = (
        f'[thing]\ntitle = "a thing"\nkind = "image"\nversion = "1"\nestimate_s = 1\nupstream.image = "{reference}"\n'
    )

    def open_store(machine: str) -> ArtifactStore:
        return ArtifactStore(
            paths=Paths(cache=tmp_path / machine / "cache", state=tmp_path / machine / "state"),
            spec=ArtifactsSpec(source="packages"),
            catalog=parse(text),
            docker=engine,
        )

    return open_store


def test_an_image_is_the_same_after_saving_removing_and_loading(
    engine: Docker, reference: str, opened: Callable[[str], ArtifactStore], tmp_path: Path
) -> None:
    make(opened("here"), "thing")
    before = engine.image(reference)
    assert before is not None
    report = save(opened("here"), {"stack": ("thing",)}, tmp_path / "bundle")
    assert report.size_bytes > SIZE
    with BundleReader(tmp_path / "bundle") as bundle:
        assert [artifact.image_id for artifact in bundle.manifest.artifacts] == [before.id]

    engine.remove_image(reference)
    assert engine.image(reference) is None
    assert load(opened("there"), tmp_path / "bundle").loaded == ("thing",)
    after = engine.image(reference)
    assert after is not None
    assert (after.id, after.labels, after.command, after.size_bytes) == (
        before.id,
        before.labels,
        before.command,
        before.size_bytes,
    )
    assert opened("there").problem("thing") is None
    assert load(opened("there"), tmp_path / "bundle").present == ("thing",)


def test_a_cut_archive_is_an_error_of_the_engine_and_loads_nothing(engine: Docker, reference: str) -> None:
    archive = b"".join(engine.save_stream([reference]))
    engine.remove_image(reference)
    with pytest.raises(CommandError):
        engine.load_stream([archive[: len(archive) // 2]])
    assert engine.image(reference) is None


def test_an_image_that_the_engine_does_not_have_is_an_error(engine: Docker) -> None:
    with pytest.raises(CommandError, match=r"No such image|not found|does not exist"):
        list(engine.save_stream([f"registry.test/nothing:{uuid.uuid4().hex}"]))
