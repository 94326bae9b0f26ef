"""Build a node image with a stack's images in one layer on top, so that a changed image rebuilds only that layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lab.artifacts.from_source.builders.containerd import Importer
from lab.artifacts.from_source.builders.image import made_image
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.base import events


@dataclass(frozen=True, kw_only=True)
class Bake:
    """Import the artifacts `images` into `base`, which can be any kind node image."""

    revision: ClassVar[int] = 1
    base: str
    images: tuple[str, ...]

    def needs(self) -> Iterable[str]:
        """Return the base and the images."""
        return (self.base, *self.images)

    def inputs(self) -> Iterable[Path]:
        """Return nothing."""
        return ()

    def build(self, work: BuildContext) -> BuildResult:
        """Save the images from the engine and import them."""
        references = [work.needs.image(name) for name in self.images]
        images = work.scratch / "stack.tar"
        events.progress(f"saving {len(references)} images")
        work.docker.save(references, images)
        with Importer(work, base=work.needs.image(self.base)) as importer:
            importer.load(images, tags=references)
            importer.commit(work.reference)
        made = made_image(work)
        return BuildResult(image_id=made.image_id, baked=tuple(references))
