"""Images that are put into a node image's containerd while it is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lab.artifacts.catalog import parse
from lab.artifacts.from_source.builders.containerd import Importer
from lab.artifacts.recipe import BuildContext
from lab.base.errors import ArtifactError
from lab.base.process import Completed
from lab.tools.docker import Docker


@dataclass
class Engine:
    """An engine whose containers run containerd with these images."""

    images: str = "docker.io/eastwest-lab/x:1"
    commands: list[list[str]] = field(default_factory=list)

    def run(self, argv: Sequence[str | Path], **_: Any) -> Completed:
        words = [str(word) for word in argv][1:]
        self.commands.append(words)
        stdout = self.images if words[-2:] == ["list", "--quiet"] else "c0ffee"
        return Completed(argv=tuple(words), returncode=0, stdout=stdout, stderr="", duration_s=0)

    def ran(self, *part: str) -> list[list[str]]:
        return [words for words in self.commands if " ".join(part) in " ".join(words)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive of images."""
    (tmp_path / "stack.tar").write_text("images")
    return tmp_path / "stack.tar"


@pytest.fixture
def work(tmp_path: Path) -> Callable[[Engine], BuildContext]:
    artifact = parse('[x]\ntitle="x"\nkind="image"\nversion="1"\nrecipe="r"\nestimate_s=1\n')["x"]

    def build(engine: Engine) -> BuildContext:
        return BuildContext(
            artifact=artifact,
            into=tmp_path / "store" / "x" / "into",
            scratch=tmp_path,
            reference="x:1",
            labels={},
            go_cache=tmp_path,
            go_modules=tmp_path,
            needs=None,  # type: ignore[arg-type]
            docker=replace(Docker(), run=engine.run),
        )

    return build


def test_archives_are_copied_in_and_do_not_stay(work: Callable[[Engine], BuildContext], archive: Path) -> None:
    engine = Engine()
    with Importer(work(engine), base="node") as importer:
        importer.load(archive, tags=["eastwest-lab/x:1"])
    (copied,) = engine.ran("container cp")
    inside = copied[-1].partition(":")[2]
    assert copied[-2] == str(archive)
    assert not archive.exists()
    assert engine.ran("images import", "--no-unpack --digests", inside)
    assert engine.ran("exec c0ffee rm", inside)
    assert not engine.ran("--volume=")


def test_images_of_one_platform_with_the_index_of_all_are_imported(
    work: Callable[[Engine], BuildContext], archive: Path
) -> None:
    # What `docker save` writes where the engine keeps images in containerd.
    engine = Engine()
    with Importer(work(engine), base="node") as importer:
        importer.load(archive, tags=["eastwest-lab/x:1"])
    assert not engine.ran("--all-platforms")


def test_an_image_that_was_not_imported_is_named(work: Callable[[Engine], BuildContext], archive: Path) -> None:
    engine = Engine(images="docker.io/eastwest-lab/other:1")
    with Importer(work(engine), base="node") as importer, pytest.raises(ArtifactError, match="eastwest-lab/x:1"):
        importer.load(archive, tags=["eastwest-lab/x:1"])
