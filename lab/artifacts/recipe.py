"""What a recipe is, and what it is given to work with."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from lab.artifacts.catalog import Artifact
from lab.base import process
from lab.tools.docker import Docker

KEY_LABEL = "eastwest.lab/key"
"""Docker label of every image that the lab builds: its content key."""
ARTIFACT_LABEL = "eastwest.lab/artifact"


class Lookup(Protocol):
    """Finds what other artifacts are made of; `ArtifactStore` is one."""

    def file(self, name: str, rel: str) -> Path:
        """Return a file of an artifact."""

    def below(self, name: str, rel: str) -> Iterable[tuple[Path, str]]:
        """Yield every file of an artifact below a folder of it, with its path from there."""

    def image(self, name: str) -> str:
        """Return the reference of an image."""


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """What one build works with.

    `into` is an empty folder whose content becomes the store's entry; `scratch` is thrown away afterwards; `reference`
    is the name that an image has to get, with `labels`; `go_cache` and `go_modules` outlive the build, so that an
    interrupted one continues.
    """

    artifact: Artifact
    into: Path
    scratch: Path
    reference: str
    labels: Mapping[str, str]
    go_cache: Path
    go_modules: Path
    needs: Lookup
    docker: Docker
    run: process.Run = field(default=process.run, repr=False)


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """What a build made besides files: for an image, its id in the engine, and what is baked into it."""

    image_id: str | None = None
    baked: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    """Facts about the build that are not known beforehand, such as Debian's package versions."""


class Recipe(Protocol):
    """A way to build an artifact from package registries."""

    revision: ClassVar[int]
    """Raised when the recipe's code changes what it makes."""

    def needs(self) -> Iterable[str]:
        """Name the artifacts that this one is made from."""

    def inputs(self) -> Iterable[Path]:
        """Name the files and folders that go into it."""

    def build(self, work: BuildContext) -> BuildResult:
        """Make it in `work.into` (and in the engine, under `work.reference`)."""


def split(source: str) -> tuple[str, str]:
    """Split `artifact/path/in/it` into both parts."""
    name, _, rel = source.partition("/")
    if not name or not rel:
        raise ValueError(f"{source!r} is not of the form artifact/file")
    return name, rel


def usual_modes(folder: Path) -> None:
    """Let everybody read a folder and all below it, and run what its owner may run.

    Files keep the mode of where they come from: in a checkout or a store that was made with `umask 077`, only their
    owner may read them, also in an image.
    """
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file of the store into another folder: without a copy where the file system allows it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
