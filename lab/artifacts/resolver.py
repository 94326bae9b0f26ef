"""Find upstream's build of an artifact: in the store, on this machine, else at upstream.

Each build has an identity, the digest of its content. The catalogue or lab.lock can require it (`pins.py`).
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lab.artifacts.catalog import Artifact
from lab.artifacts.entry import Entry
from lab.artifacts.pins import Pin, Pins
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.artifacts.upstream import Upstream
from lab.base import events
from lab.base.errors import ArtifactError

if sys.version_info >= (3, 12):
    import tarfile
else:  # the tarfile of Python 3.11.2, which Debian 12 has, cannot refuse members outside of the folder
    from backports import tarfile

PACKAGES, UPSTREAM, MIRROR, LOCAL = "packages", "upstream", "mirror", "local"
"""The sources of an artifact: built here, upstream's registry or server, the mirror, this machine."""
WORDS = {PACKAGES: "built here", UPSTREAM: "upstream", MIRROR: "mirror", LOCAL: "this machine"}
"""The sources as commands and reports show them."""
CHART = "chart"
"""Folder of a chart in its entry."""
PULLED_BYTES = "pulled bytes"
"""Note of an entry that was pulled, if its size is known."""
_NOTES = {"taken from", "identity"}
"""Notes of each entry of upstream's build."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """An available build."""

    source: str
    """UPSTREAM, MIRROR or LOCAL."""
    name: str
    """Where it is: an image's or chart's reference, a path or a URL."""
    identity: str
    """The digest of its content (the image's id, if it was built on this machine); empty if only the download tells."""
    trust: str = ""
    """Why the identity is trusted: the catalogue, lab.lock, a checksum file, or its first use."""


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

    def look(self, artifact: Artifact, pin: Pin | None) -> Match | NotFound:
        """Search for an artifact's build, which must have the pin's digest if there is one."""

    def take(self, match: Match, work: BuildContext) -> BuildResult:
        """Tag an image with upstream's name, or put the files into the entry; the result's identity is verified.

        Raises:
            ArtifactError: the build is unavailable now, or does not have its digest.
        """


@dataclass(kw_only=True)
class Resolver:
    """Searches the sources for builds; once for each artifact.

    Args:
        here: this machine.
        there: upstream's registries and releases, or the mirror.
        before: yields the store's entries of an artifact that are still usable, or that upstream can give again.
        pins: the required digests.
    """

    here: Source
    there: Source
    before: Callable[[Artifact], Iterable[Entry]]
    pins: Pins
    _known: dict[str, Match | NotFound] = field(default_factory=dict, repr=False)

    def find(self, artifact: Artifact) -> Match | NotFound:
        """Return a build of an artifact: what the store has of it, else this machine's, else upstream's.

        If none is available, return every searched location with its result.
        """
        if artifact.name not in self._known:
            self._known[artifact.name] = self._look(artifact)
        return self._known[artifact.name]

    def take(self, match: Match, work: BuildContext) -> BuildResult:
        """Take an artifact's build from its source, and record the digest of a first use.

        Raises:
            ArtifactError: the source failed, or the content does not have the required digest.
        """
        events.progress(f"taking {match.name}")
        place = self.here if match.source == LOCAL else self.there
        made = place.take(match, work)
        identity = made.identity or match.identity
        size = {PULLED_BYTES: str(made.pulled.size_bytes)} if made.pulled and made.pulled.blobs else {}
        if match.source != LOCAL:
            self.pins.record(work.artifact, identity)
        return BuildResult(
            image_id=made.image_id,
            identity=identity,
            notes={"taken from": match.name, "identity": identity, "trusted by": match.trust, **size, **made.notes},
            pulled=made.pulled,
        )

    def _look(self, artifact: Artifact) -> Match | NotFound:
        pin = self.pins.pin(artifact)
        # What upstream gave is in the engine under the same name: then it is still upstream's.
        if (before := self._before(artifact, pin, local=False)) is not None:
            return before
        here = self.here.look(artifact, pin)
        if isinstance(here, Match):
            return here
        if (before := self._before(artifact, pin, local=True)) is not None:
            return before
        there = self.there.look(artifact, pin)
        if isinstance(there, Match):
            return there
        return NotFound(looked=(*here.looked, *there.looked), next=here.next or there.next)

    def _before(self, artifact: Artifact, pin: Pin | None, *, local: bool) -> Match | None:
        version, image = artifact.version_from(upstream=True), upstream_of(artifact).reference
        same = [
            entry
            for entry in self.before(artifact)
            if entry.notes.keys() >= _NOTES
            and entry.version == version
            and entry.image == image
            and (entry.source == LOCAL) is local
            and (pin is None or entry.notes["identity"] == pin.digest)
        ]
        if not same:
            return None
        newest = max(same, key=lambda entry: entry.built_at)
        return Match(
            source=newest.source,
            name=newest.notes["taken from"],
            identity=newest.notes["identity"],
            trust=newest.notes.get("trusted by", ""),
        )


def upstream_of(artifact: Artifact) -> Upstream:
    """Return upstream's names of an artifact that upstream publishes."""
    assert artifact.upstream is not None  # noqa: S101 - callers pass only such artifacts
    return artifact.upstream


def absent(missing: Iterable[tuple[Artifact, NotFound]]) -> ArtifactError:
    """Return the error for unavailable builds: the searched locations of each, and how to provide them."""
    missing = list(missing)
    lines = [
        f"{artifact.title} {artifact.version_from(upstream=True)} is unavailable here: {found}"
        for artifact, found in missing
    ]
    builds = [(upstream_of(artifact), found) for artifact, found in missing]
    files = [name for build, _ in builds if (name := build.program or build.chart)]
    ways = [*dict.fromkeys(found.next for _, found in builds if found.next)]
    ways += [f"docker pull {build.image}" for build, _ in builds if build.image]
    ways += [f"put {', '.join(files)} into the folder that LAB_LOCAL_DIR names"] if files else []
    return ArtifactError("\n  ".join(lines), next="; ".join(ways) or "check the network, then run the command again")


def put_chart(packed: Path, work: BuildContext) -> None:
    """Unpack a packed chart into an entry.

    Raises:
        ArtifactError: the file is not a packed chart.
    """
    unpacked = work.scratch / "unpacked"
    try:
        with tarfile.open(packed) as tar:
            tar.extractall(unpacked, filter="data")
        (folder,) = unpacked.iterdir()
    except (tarfile.TarError, zlib.error, ValueError, EOFError, OSError) as error:
        raise ArtifactError(f"{packed.name} is not a packed chart: {error}") from error
    folder.rename(work.into / CHART)
