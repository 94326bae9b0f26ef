"""Upstream's own builds, of what is never built here: found on this machine, or where upstream publishes them.

No digest of theirs is known to the lab beforehand. The one that a published name has when it is first taken is kept in
the store's entry, and required afterwards: trust on first use, as with a host's SSH key. So a name that upstream
points at something else later changes nothing here. Neither does it that the folder a chart came from is gone.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lab.artifacts.catalog import Artifact, Taken
from lab.artifacts.entry import Entry
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.base import events
from lab.base.errors import ArtifactError

CHART = "chart"
"""Folder of a chart in its entry."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """A build that is there: under which name (an image's, a path, a URL), which it is, and where."""

    name: str
    identity: str
    """The digest of what it is; of an image that no registry has given a digest, its ID."""
    place: Source = field(repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class NotFound:
    """A missing build: each place that was searched, with the result."""

    looked: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.looked)


class Source(Protocol):
    """Somewhere builds can be taken from."""

    @property
    def source(self) -> str:
        """Where that is: `local` or `upstream`."""

    def look(self, artifact: Artifact) -> Match | NotFound:
        """Say whether an artifact's build is there."""

    def take(self, found: Match, work: BuildContext) -> BuildResult:
        """Put what was found where the lab uses it from: an image under upstream's name, files into the entry.

        Raises:
            ArtifactError: it is unavailable now, or differs from what was found.
        """


@dataclass(kw_only=True)
class Resolver:
    """Looks for builds, for each of them once in the life of this object.

    Args:
        here: this machine.
        there: where upstream publishes.
        before: yields the store's entries of an artifact that can still be used, or taken again.
    """

    here: Source
    there: Source
    before: Callable[[Artifact], Iterable[Entry]]
    _known: dict[str, Match | NotFound] = field(default_factory=dict, repr=False)

    def find(self, artifact: Artifact) -> Match | NotFound:
        """Return this machine's build of an artifact, else what was taken before, else what is published.

        Where there is none of them: every place that was searched, with the result.
        """
        if artifact.name not in self._known:
            self._known[artifact.name] = self._look(artifact)
        return self._known[artifact.name]

    def take(self, work: BuildContext) -> BuildResult:
        """Take an artifact from where it was found.

        Raises:
            ArtifactError: it is nowhere (the error says where it was looked for), or its place says why not.
        """
        found = self.find(work.artifact)
        if isinstance(found, NotFound):
            raise absent([(work.artifact, found)])
        events.progress(f"taking {found.name}")
        made = found.place.take(found, work)
        return BuildResult(image_id=made.image_id, notes={"taken from": found.name, "identity": found.identity})

    def _look(self, artifact: Artifact) -> Match | NotFound:
        here = self.here.look(artifact)
        if isinstance(here, Match):
            return here
        if (before := self._taken_before(artifact)) is not None:
            return before
        there = self.there.look(artifact)
        return there if isinstance(there, Match) else NotFound(looked=(*here.looked, *there.looked))

    def _taken_before(self, artifact: Artifact) -> Match | None:
        names = names_of(artifact)
        same = [e for e in self.before(artifact) if e.version == artifact.version and e.image == names.image]
        if not same:
            return None
        newest = max(same, key=lambda entry: entry.built_at)
        place = self.there if newest.source == self.there.source else self.here
        return Match(name=newest.notes["taken from"], identity=newest.notes["identity"], place=place)


def names_of(artifact: Artifact) -> Taken:
    """Return what upstream calls an artifact that is only taken."""
    assert artifact.taken is not None  # noqa: S101 - callers pass only such artifacts
    return artifact.taken


def absent(missing: Iterable[tuple[Artifact, NotFound]]) -> ArtifactError:
    """Return the error for unavailable builds: the places that were searched for each, and how to provide them."""
    missing = list(missing)
    lines = [f"{artifact.title} {artifact.version} is unavailable here: {found}" for artifact, found in missing]
    names = [names_of(artifact) for artifact, _ in missing]
    images = [taken.image for taken in names if taken.image]
    files = [taken.program or taken.chart or "" for taken in names if not taken.image]
    ways = [f"docker pull {image}" for image in images]
    ways += [f"put {', '.join(files)} into the folder that LAB_LOCAL_DIR names"] if files else []
    return ArtifactError("\n  ".join(lines), next="; ".join(ways))


def put_chart(packed: Path, work: BuildContext) -> None:
    """Unpack a packed chart into an entry."""
    unpacked = work.scratch / "unpacked"
    with tarfile.open(packed) as tar:
        tar.extractall(unpacked, filter="data")
    (folder,) = unpacked.iterdir()
    folder.rename(work.into / CHART)
