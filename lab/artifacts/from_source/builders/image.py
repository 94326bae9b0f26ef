"""Build images from Dockerfiles without network: all inputs are in the store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from lab.artifacts import folders
from lab.artifacts.recipe import BuildContext, BuildResult, link_or_copy, split, usual_modes
from lab.base import events


@dataclass(frozen=True, kw_only=True)
class ImageBuild:
    """Build a folder's Dockerfile.

    Args:
        folder: the folder with the Dockerfile.
        files: the files of the folder to use; all if empty.
        context: maps a path in the build context to a file (`artifact/path`) or folder (`artifact/path/`).
        base: the artifact whose image is the build argument BASE.
    """

    revision: ClassVar[int] = 1
    folder: str
    files: tuple[str, ...] = ()
    context: Mapping[str, str] = field(default_factory=dict)
    base: str | None = None

    def needs(self) -> Iterable[str]:
        """Return the artifacts in the build context, and the base."""
        return (*([self.base] if self.base else []), *(split(source)[0] for source in self.context.values()))

    def inputs(self) -> Iterable[Path]:
        """Return the folder, or the files of it that the image uses."""
        folder = folders.find(self.folder)
        return [folder / name for name in self.files] if self.files else [folder]

    def build(self, work: BuildContext) -> BuildResult:
        """Fill the build context and build the image."""
        context = work.scratch / "context"
        root = folders.find(self.folder)
        for given in self.inputs():
            for path in folders.files(given):
                target = context / path.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)
        for target_name, source in self.context.items():
            self._put(work, source, context / target_name)
        return build_image(work, context, arguments={"BASE": work.needs.image(self.base)} if self.base else {})

    def _put(self, work: BuildContext, source: str, target: Path) -> None:
        name, rel = split(source)
        if not rel.endswith("/"):
            link_or_copy(work.needs.file(name, rel), target)
            return
        for path, inside in work.needs.below(name, rel):
            link_or_copy(path, target / inside)


def build_image(work: BuildContext, context: Path, *, arguments: Mapping[str, str]) -> BuildResult:
    """Build an image from a build context and tag it as the build's reference."""
    usual_modes(context)
    work.docker.build(
        context, tags=[work.reference], labels=work.labels, arguments=arguments, on_line=dockerfile_steps()
    )
    return made_image(work)


def dockerfile_steps() -> Callable[[str], None]:
    """Return a function that reports each Dockerfile step in the builder's output as progress."""
    say = events.reporter()

    def show(line: str) -> None:
        if line.startswith("Step "):
            say(line.strip())

    return show


def made_image(work: BuildContext) -> BuildResult:
    """Return the result of a build that made an image."""
    image = work.docker.image(work.reference)
    return BuildResult(image_id=image.id if image is not None else None)
