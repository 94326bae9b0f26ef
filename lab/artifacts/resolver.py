"""Find upstream's builds of artifacts that the lab never builds: on this machine, else in upstream's registries.

The catalogue has no digest for them. The lab saves the digest of the first pull in the store's entry and requires it
afterwards: trust on first use, as with a host's SSH key. So a tag that upstream moves later changes nothing here, and
neither does a deleted source folder of a chart.
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
    """An available build: its name (an image's reference, a path or a URL), its digest and its source."""

    name: str
    identity: str
    """The digest of the content; the image ID for an image that has no digest from a registry."""
    place: Source = field(repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class NotFound:
    """An unavailable build: each searched location, with the result."""

    looked: tuple[str, ...]
    next: str | None = None
    """The command that makes an unavailable source answer, such as one that starts the engine."""

    def __str__(self) -> str:
        return "; ".join(self.looked)


class Source(Protocol):
    """A source of builds: this machine, or upstream."""

    @property
    def source(self) -> str:
        """The source's name: `local` or `upstream`."""

    def look(self, artifact: Artifact) -> Match | NotFound:
        """Search the source for an artifact's build."""

    def take(self, match: Match, work: BuildContext) -> BuildResult:
        """Tag an image with upstream's name, or copy the files into the entry.

        Raises:
            ArtifactError: the build is unavailable now, or differs from the match.
        """


@dataclass(kw_only=True)
class Resolver:
    """Searches the sources for builds; searches once for each artifact.

    Args:
        here: this machine.
        there: upstream's registries and releases.
        before: yields the store's entries of an artifact that are still usable or can be pulled again.
    """

    here: Source
    there: Source
    before: Callable[[Artifact], Iterable[Entry]]
    _known: dict[str, Match | NotFound] = field(default_factory=dict, repr=False)

    def find(self, artifact: Artifact) -> Match | NotFound:
        """Return this machine's build of an artifact, else the build of an earlier entry, else upstream's.

        If none is available, return every searched location with its result.
        """
        if artifact.name not in self._known:
            self._known[artifact.name] = self._look(artifact)
        return self._known[artifact.name]

    def take(self, work: BuildContext) -> BuildResult:
        """Take an artifact's build from its source.

        Raises:
            ArtifactError: the build is unavailable (the error lists the searched locations), or the source failed.
        """
        match = self.find(work.artifact)
        if isinstance(match, NotFound):
            raise absent([(work.artifact, match)])
        events.progress(f"taking {match.name}")
        made = match.place.take(match, work)
        return BuildResult(image_id=made.image_id, notes={"taken from": match.name, "identity": match.identity})

    def _look(self, artifact: Artifact) -> Match | NotFound:
        here = self.here.look(artifact)
        if isinstance(here, Match):
            return here
        if (before := self._taken_before(artifact)) is not None:
            return before
        there = self.there.look(artifact)
        return there if isinstance(there, Match) else NotFound(looked=(*here.looked, *there.looked), next=here.next)

    def _taken_before(self, artifact: Artifact) -> Match | None:
        names = names_of(artifact)
        same = [e for e in self.before(artifact) if e.version == artifact.version and e.image == names.image]
        if not same:
            return None
        newest = max(same, key=lambda entry: entry.built_at)
        place = self.there if newest.source == self.there.source else self.here
        return Match(name=newest.notes["taken from"], identity=newest.notes["identity"], place=place)


def names_of(artifact: Artifact) -> Taken:
    """Return upstream's names of an artifact that the lab never builds."""
    assert artifact.taken is not None  # noqa: S101 - callers pass only such artifacts
    return artifact.taken


def absent(missing: Iterable[tuple[Artifact, NotFound]]) -> ArtifactError:
    """Return the error for unavailable builds: the searched locations of each, and how to provide them."""
    missing = list(missing)
    lines = [f"{artifact.title} {artifact.version} is unavailable here: {found}" for artifact, found in missing]
    names = [(names_of(artifact), found) for artifact, found in missing]
    files = [taken.program or taken.chart or "" for taken, _ in names if not taken.image]
    ways = [*dict.fromkeys(found.next for _, found in names if found.next)]
    ways += [f"docker pull {taken.image}" for taken, _ in names if taken.image]
    ways += [f"put {', '.join(files)} into the folder that LAB_LOCAL_DIR names"] if files else []
    return ArtifactError("\n  ".join(lines), next="; ".join(ways))


def put_chart(packed: Path, work: BuildContext) -> None:
    """Unpack a packed chart into an entry."""
    unpacked = work.scratch / "unpacked"
    with tarfile.open(packed) as tar:
        tar.extractall(unpacked, filter="data")
    (folder,) = unpacked.iterdir()
    folder.rename(work.into / CHART)
