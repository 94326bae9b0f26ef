"""catalog.toml → `Catalog`: everything that the lab can have, with its version and how it is made."""

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
    """What one gets."""

    BINARIES = "binaries"
    IMAGE = "image"
    FILES = "files"


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """Where upstream's own build is, always with what its content must be.

    Either `image`, a reference with a digest, or `url` with `sha256`; of a tar archive `member` is the file wanted.
    """

    image: str | None = None
    url: str | None = None
    sha256: str | None = None
    member: str | None = None
    as_file: str | None = None
    """Path of a downloaded file in the store's entry."""
    version: str | None = None
    """Where it is not the recipe's."""
    machine: str | None = None
    """The only architecture that it is for, as `uname -m` says; None for an image that has several."""

    def __post_init__(self) -> None:
        pinned = self.image is not None and "@sha256:" in self.image
        downloadable = self.url is not None and len(self.sha256 or "") == 64 and self.as_file is not None
        if pinned == downloadable:
            raise ValueError("upstream needs an image with its digest, or a url with sha256 and as_file")


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What upstream calls its own build, of what is only taken and never built: an image, a program or a chart."""

    image: str | None = None
    """Upstream's name of it, with its tag; nodes know it by the same name."""
    program: str | None = None
    """Name of a program; `says` are the arguments with which it says its version and nothing else."""
    says: tuple[str, ...] = ()
    release: str | None = None
    """URL of the program for x86_64, an asset of a release on GitHub, which tells its digest."""
    chart: str | None = None
    """Name of a Helm chart."""
    registry: str | None = None
    """Where the chart is an OCI artifact: registry host and path, without the chart's name."""

    def __post_init__(self) -> None:
        if sum(what is not None for what in (self.image, self.program, self.chart)) != 1:
            raise ValueError("taken needs an image, a program or a chart")
        if (self.program is None) is bool(self.says):
            raise ValueError("a program that is taken, and nothing else, needs `says`")
        if (self.release and not self.program) or (self.registry and not self.chart):
            raise ValueError("a release is of a program, a registry of a chart")


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One line of the catalogue. `options` belong to the recipe; what has none is only taken, never built."""

    name: str
    kind: ArtifactKind
    version: str
    title: str
    recipe: str | None
    estimate_s: float
    """How long a build takes on two cores with nothing in the caches."""
    options: Mapping[str, Any] = field(hash=False)
    upstream: Upstream | None = None
    taken: Taken | None = None

    def __post_init__(self) -> None:
        if (self.recipe is None) is (self.taken is None):
            raise ValueError("an artifact has a recipe, or is taken")

    def version_from(self, *, upstream: bool) -> str:
        """Return the version that a source gives."""
        return (self.upstream.version if self.upstream and upstream else None) or self.version


@dataclass(frozen=True)
class Catalog:
    """Every artifact by name, in the order of the file."""

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
        """Return a catalogue that takes other images from upstream, each named with its digest.

        Raises:
            UsageError: there is no image of such a name.
        """
        changed = dict(self.artifacts)
        for name, image in images.items():
            if name not in self or self[name].kind is not ArtifactKind.IMAGE:
                known = ", ".join(a.name for a in self if a.kind is ArtifactKind.IMAGE)
                raise UsageError(f"[versions] {name}: there is no image of that name", next=f"one of: {known}")
            tag = image.partition("@")[0].rpartition(":")[2]
            taken = self[name].taken and Taken(image=image.partition("@")[0])
            changed[name] = replace(self[name], version=tag, upstream=Upstream(image=image), taken=taken)
        return Catalog(changed)


def parse(text: str) -> Catalog:
    """Turn the text of a catalog.toml into a catalogue.

    Raises:
        ValueError: the file is wrong, which is a defect of the lab and no user's mistake.
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
