"""Upstream's own builds, of what is never built here: found on this machine, or where upstream publishes them.

This machine comes first. What is published is taken by a digest: the one that its name had when it was first taken,
which is kept (`published.Pins`). So a name that upstream points at something else later changes nothing here.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lab import events
from lab.artifacts.catalog import Artifact, Taken
from lab.artifacts.recipe import Made, Work
from lab.errors import ArtifactError

CHART = "chart"
"""Folder of a chart in its entry."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A build that is there: under which name (an image's, a path, a URL), which it is, and where."""

    name: str
    identity: str
    """The digest of what it is; of an image that no registry has given a digest, its ID."""
    place: Place = field(repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class NotFound:
    """A build that is not there: each place that was looked at, with what was seen."""

    looked: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.looked)


class Place(Protocol):
    """Somewhere builds can be taken from."""

    @property
    def source(self) -> str:
        """Where that is: `local` or `upstream`."""

    def look(self, artifact: Artifact) -> Found | NotFound:
        """Say whether an artifact's build is there."""

    def take(self, found: Found, work: Work) -> Made:
        """Put what was found where the lab uses it from: an image under upstream's name, files into the entry.

        Raises:
            ArtifactError: it can't be had any more, or is not what was found.
        """


@dataclass(kw_only=True)
class Taker:
    """Looks for builds in several places, each of them once in the life of this object."""

    places: Sequence[Place]
    _known: dict[str, Found | NotFound] = field(default_factory=dict, repr=False)

    def find(self, artifact: Artifact) -> Found | NotFound:
        """Return the first build that a place has of an artifact, else every place with what was seen there."""
        if artifact.name not in self._known:
            self._known[artifact.name] = self._look(artifact)
        return self._known[artifact.name]

    def take(self, work: Work) -> Made:
        """Take an artifact from where it was found.

        Raises:
            ArtifactError: it is nowhere (the error says where it was looked for), or its place says why not.
        """
        found = self.find(work.artifact)
        if isinstance(found, NotFound):
            raise absent([(work.artifact, found)])
        events.progress(f"taking {found.name}")
        made = found.place.take(found, work)
        return Made(image_id=made.image_id, notes={"taken from": found.name, "identity": found.identity, **made.notes})

    def _look(self, artifact: Artifact) -> Found | NotFound:
        looked: list[str] = []
        for place in self.places:
            found = place.look(artifact)
            if isinstance(found, Found):
                return found
            looked += found.looked
        return NotFound(looked=tuple(looked))


def names_of(artifact: Artifact) -> Taken:
    """Return what upstream calls an artifact that is only taken."""
    assert artifact.taken is not None  # noqa: S101 - only those are asked for
    return artifact.taken


def absent(missing: Iterable[tuple[Artifact, NotFound]]) -> ArtifactError:
    """Return the error for builds that can't be had, each with where it was looked for, and what brings them."""
    missing = list(missing)
    lines = [f"{artifact.title} {artifact.version} can't be had here: {found}" for artifact, found in missing]
    names = [names_of(artifact) for artifact, _ in missing]
    images = [taken.image for taken in names if taken.image]
    files = [taken.program or taken.chart or "" for taken in names if not taken.image]
    ways = [f"docker pull {image}" for image in images]
    ways += [f"put {', '.join(files)} into the folder that LAB_LOCAL_DIR names"] if files else []
    return ArtifactError("\n  ".join(lines), next="; ".join(ways))


def put_chart(packed: Path, work: Work) -> None:
    """Unpack a packed chart into an entry."""
    unpacked = work.scratch / "unpacked"
    with tarfile.open(packed) as tar:
        tar.extractall(unpacked, filter="data")
    (folder,) = unpacked.iterdir()
    folder.rename(work.into / CHART)
