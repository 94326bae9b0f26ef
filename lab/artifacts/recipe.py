"""Interface of recipes, the input and result of a build, and helpers for files."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from lab.artifacts.catalog import Artifact
from lab.base import process
from lab.base.pulled import Pulled
from lab.tools.docker import Docker

KEY_LABEL = "eastwest.lab/key"
"""Docker label of every image that the lab builds: its content key."""
ARTIFACT_LABEL = "eastwest.lab/artifact"


class Lookup(Protocol):
    """Finds files and images of other artifacts; implemented by `ArtifactStore`."""

    def file(self, name: str, rel: str) -> Path:
        """Return a file of an artifact."""

    def below(self, name: str, rel: str) -> Iterable[tuple[Path, str]]:
        """Yield every file below a folder of an artifact, with its path relative to the folder."""

    def image(self, name: str) -> str:
        """Return the reference of an image."""


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """The input of one build.

    The content of `into`, at first an empty folder, becomes the store's entry; `scratch` is deleted afterwards. An
    image must get the name `reference` and the `labels`. `go_cache` and `go_modules` outlive the build, so that an
    interrupted build continues.
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
    """The result of a build besides files: for an image, its id in the engine and the images inside it.

    `identity` is the verified digest of upstream's build; empty for one that the lab made.
    """

    image_id: str | None = None
    identity: str = ""
    baked: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    """Facts that are known only after the build, such as the versions of Debian packages."""
    pulled: Pulled | None = None
    """What was pulled for it; None for a build, and for one that this machine had."""


class Recipe(Protocol):
    """A way to build an artifact from package registries."""

    revision: ClassVar[int]
    """Increased when a change of the recipe's code changes its result."""

    def needs(self) -> Iterable[str]:
        """Return the artifacts that the build needs."""

    def inputs(self) -> Iterable[Path]:
        """Return the files and folders that the build reads."""

    def build(self, work: BuildContext) -> BuildResult:
        """Build the artifact in `work.into`, and an image in the engine as `work.reference`."""


def split(source: str) -> tuple[str, str]:
    """Split `artifact/path/in/it` into the artifact's name and the path."""
    name, _, rel = source.partition("/")
    if not name or not rel:
        raise ValueError(f"{source!r} is not of the form artifact/file")
    return name, rel


def usual_modes(folder: Path) -> None:
    """Set the usual modes in a folder: all users may read, and may execute what the owner may execute.

    Files keep the mode of their source. In a checkout or store that was created with `umask 077`, only the owner can
    read them, and that would be so in the image as well.
    """
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file of the store into another folder; copy it if the file system does not allow links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
