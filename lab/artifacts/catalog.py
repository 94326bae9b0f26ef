"""Parse catalog.toml into a `Catalog`: all artifacts, with their versions and sources."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from lab.base.errors import UsageError

FILE = Path(__file__).parent / "catalog.toml"
_OWN_KEYS = {"kind", "version", "title", "recipe", "estimate_s", "upstream", "taken"}


class ArtifactKind(Enum):
    """The form of an artifact."""

    BINARIES = "binaries"
    IMAGE = "image"
    FILES = "files"


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """Location and digest of upstream's own build.

    Either `image`, a reference with a digest, or `url` with `sha256`; for a tar archive, `member` is the file to take.
    """

    image: str | None = None
    url: str | None = None
    sha256: str | None = None
    member: str | None = None
    as_file: str | None = None
    """Path of the downloaded file in the store's entry."""
    version: str | None = None
    """Upstream's version, if it differs from the recipe's."""
    machine: str | None = None
    """The only architecture of the build (as in `uname -m`); None for an image with several."""

    def __post_init__(self) -> None:
        pinned = self.image is not None and "@sha256:" in self.image
        downloadable = self.url is not None and len(self.sha256 or "") == 64 and self.as_file is not None
        if pinned == downloadable:
            raise ValueError("upstream needs either an image with a digest, or a url with sha256 and as_file")


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Upstream's names of an artifact that the lab never builds: an image, a program or a chart."""

    image: str | None = None
    """The image's reference with its tag; nodes use the same reference."""
    program: str | None = None
    """Name of a program; with the arguments `says` it prints its version and nothing else."""
    says: tuple[str, ...] = ()
    release: str | None = None
    """URL of the program for x86_64: an asset of a GitHub release, whose digest GitHub's API returns."""
    chart: str | None = None
    """Name of a Helm chart."""
    registry: str | None = None
    """Registry host and path of a chart that is an OCI artifact, without the chart's name."""

    def __post_init__(self) -> None:
        if sum(what is not None for what in (self.image, self.program, self.chart)) != 1:
            raise ValueError("taken needs exactly one of image, program and chart")
        if (self.program is None) is bool(self.says):
            raise ValueError("taken needs `says` for a program, and only for a program")
        if (self.release and not self.program) or (self.registry and not self.chart):
            raise ValueError("`release` is for programs only, `registry` for charts only")


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One artifact of the catalogue. `options` are its recipe's; without a recipe, the lab never builds it."""

    name: str
    kind: ArtifactKind
    version: str
    title: str
    recipe: str | None
    estimate_s: float
    """Build time on two cores with empty caches."""
    options: Mapping[str, Any] = field(hash=False)
    upstream: Upstream | None = None
    taken: Taken | None = None

    def __post_init__(self) -> None:
        if (self.recipe is None) is (self.taken is None):
            raise ValueError("an artifact needs either `recipe` or `taken`")

    def version_from(self, *, upstream: bool) -> str:
        """Return the version of upstream's build, or of the recipe's."""
        return (self.upstream.version if self.upstream and upstream else None) or self.version


@dataclass(frozen=True)
class Catalog:
    """All artifacts by name, in the order of the file."""

    artifacts: Mapping[str, Artifact]

    def __getitem__(self, name: str) -> Artifact:
        try:
            return self.artifacts[name]
        except KeyError:
            raise KeyError(f"the catalogue has no {name!r}; it has: {', '.join(self.artifacts)}") from None

    def __iter__(self) -> Iterator[Artifact]:
        return iter(self.artifacts.values())

    def __contains__(self, name: object) -> bool:
        return name in self.artifacts

    def with_images(self, images: Mapping[str, str]) -> Catalog:
        """Return a catalogue with other upstream images, each given with its digest.

        Raises:
            UsageError: the catalogue has no image with such a name.
        """
        changed = dict(self.artifacts)
        for name, image in images.items():
            if name not in self or self[name].kind is not ArtifactKind.IMAGE:
                known = ", ".join(a.name for a in self if a.kind is ArtifactKind.IMAGE)
                raise UsageError(
                    f"[versions] {name}: the catalogue has no image with that name", next=f"use one of: {known}"
                )
            tag = image.partition("@")[0].rpartition(":")[2]
            taken = self[name].taken and Taken(image=image.partition("@")[0])
            changed[name] = replace(self[name], version=tag, upstream=Upstream(image=image), taken=taken)
        return Catalog(changed)


def parse(text: str) -> Catalog:
    """Parse the text of a catalog.toml.

    Raises:
        ValueError: the file is invalid, which is a defect of the lab and not a user's mistake.
    """
    tables: Mapping[str, Mapping[str, Any]] = tomllib.loads(text)
    return Catalog({name: _artifact(name, table) for name, table in tables.items()})


def _artifact(name: str, table: Mapping[str, Any]) -> Artifact:
    try:
        return Artifact(
            name=name,
            kind=ArtifactKind(table["kind"]),
            version=str(table["version"]),
            title=str(table["title"]),
            recipe=table.get("recipe"),
            estimate_s=float(table["estimate_s"]),
            options={key: value for key, value in table.items() if key not in _OWN_KEYS},
            upstream=Upstream(**table["upstream"]) if "upstream" in table else None,
            taken=_taken(table["taken"]) if "taken" in table else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"catalog.toml: {name}: {error}") from error


def _taken(table: Mapping[str, Any]) -> Taken:
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    return Taken(**given)


@cache
def default() -> Catalog:
    """Return the lab's own catalogue."""
    return parse(FILE.read_text(encoding="utf-8"))
