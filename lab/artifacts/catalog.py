"""Parse catalog.toml into a `Catalog`: all artifacts, with their versions and sources."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from lab.artifacts.upstream import Upstream
from lab.base.errors import UsageError

FILE = Path(__file__).parent / "catalog.toml"
_OWN_KEYS = {"kind", "version", "title", "recipe", "estimate_s", "upstream", "profile"}


class ArtifactKind(Enum):
    """The form of an artifact."""

    BINARIES = "binaries"
    IMAGE = "image"
    FILES = "files"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One artifact of the catalogue. `options` are its recipe's.

    Without a recipe, the lab never builds it; without `upstream`, nobody publishes it, and the lab always builds it.
    """

    name: str
    kind: ArtifactKind
    version: str
    title: str
    recipe: str | None
    estimate_s: float
    """Build time on two cores with empty caches."""
    options: Mapping[str, Any] = field(hash=False)
    upstream: Upstream | None = None
    profile: bool = False
    """Whether only profiles use it. A lab without a profile never asks for it."""

    def __post_init__(self) -> None:
        if self.recipe is None and self.upstream is None:
            raise ValueError("an artifact needs `recipe`, `upstream` or both")

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
            before = self[name].upstream
            group = before.group if before else None
            tag = image.partition("@")[0].rpartition(":")[2]
            # The lab cannot build another version: its recipes are pinned.
            changed[name] = replace(
                self[name], version=tag, recipe=None, options={}, upstream=Upstream(image=image, group=group)
            )
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
            upstream=Upstream.of(table["upstream"]) if "upstream" in table else None,
            profile=table.get("profile", False),
        )
    except KeyError as error:
        raise ValueError(f"catalog.toml: {name}: the key {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"catalog.toml: {name}: {error}") from error


@cache
def default() -> Catalog:
    """Return the lab's own catalogue."""
    return parse(FILE.read_text(encoding="utf-8"))
