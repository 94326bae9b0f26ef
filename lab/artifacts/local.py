"""Upstream's own builds that somebody has brought to this machine, under upstream's own names.

An image is looked for in the engine, by upstream's name and by the same name in the mirror; a program or chart in the
folder that lab.toml or LAB_LOCAL_DIR names, a program then on PATH.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab.artifacts import folders, upstream
from lab.artifacts.catalog import Artifact
from lab.artifacts.keys import LOCAL
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.artifacts.resolver import CHART, Match, NotFound, absent, names_of, put_chart
from lab.base import process
from lab.base.errors import CommandError, HostError, LabError
from lab.base.files import file_sha256
from lab.kube import manifests
from lab.tools.docker import Docker, Image

_VERSION_TIMEOUT_S = 20


@dataclass(kw_only=True)
class LocalStore:
    """This machine, as a place that builds are taken from (`resolver.Source`).

    Args:
        docker: the engine that may have images.
        mirror: a registry host whose names count as upstream's.
        folder: of programs and charts, None for PATH alone.
        run: runs programs, to learn their version.
    """

    docker: Docker
    mirror: str | None = None
    folder: Path | None = None
    run: process.Run = field(default=process.run, repr=False)
    source: str = LOCAL

    def look(self, artifact: Artifact) -> Match | NotFound:
        """Say whether a build is on this machine."""
        taken = names_of(artifact)
        if taken.image is not None:
            return self._image(taken.image)
        looked: list[str] = []
        places = self._programs(taken.program) if taken.program else self._charts(artifact)
        for place in places:
            if not place.exists():
                looked.append(f"{place}: not there")
                continue
            version = self._version(artifact, place)
            if version == artifact.version:
                return Match(name=str(place), identity=_identity(place), place=self)
            looked.append(f"{place}: {version}, not {artifact.version}")
        if self.folder is None:
            looked.append("no folder is named (`local` under [artifacts] in lab.toml, or LAB_LOCAL_DIR)")
        return NotFound(looked=tuple(looked))

    def take(self, found: Match, work: BuildContext) -> BuildResult:
        """Tag the image, or copy the files."""
        taken = names_of(work.artifact)
        if isinstance(now := self.look(work.artifact), NotFound):  # taken before, and gone since
            raise absent([(work.artifact, now)])
        if taken.image is not None:
            if found.name != work.reference:
                self.docker.tag(found.name, work.reference)
            image = self.docker.image(work.reference)
            return BuildResult(image_id=image.id if image else None)
        if taken.program is not None:
            target = work.into / "bin" / taken.program
            target.parent.mkdir()
            shutil.copy2(found.name, target)
            target.chmod(0o755)
        elif Path(found.name).is_dir():
            shutil.copytree(found.name, work.into / CHART)
        else:
            put_chart(Path(found.name), work)
        return BuildResult()

    # How

    def _image(self, name: str) -> Match | NotFound:
        names = [name, *([f"{self.mirror}/{name.partition('/')[2]}"] if self.mirror else [])]
        try:
            for candidate in names:
                image = self.docker.image(candidate)
                if image is not None:
                    return Match(name=candidate, identity=_digest_or_id(image, names), place=self)
        except HostError as error:
            return NotFound(looked=(error.what,))
        return NotFound(looked=tuple(f"the local Docker store has no {candidate}" for candidate in names))

    def _programs(self, name: str) -> Iterator[Path]:
        if self.folder is not None:
            yield self.folder / name
        on_path = shutil.which(name)
        yield Path(on_path) if on_path else Path(f"PATH/{name}")

    def _charts(self, artifact: Artifact) -> Iterator[Path]:
        if self.folder is not None:
            chart = names_of(artifact).chart
            yield self.folder / f"{chart}"
            yield self.folder / f"{chart}-{artifact.version}.tgz"

    def _version(self, artifact: Artifact, place: Path) -> str:
        """Return the version of what is there, or why it can't be told."""
        taken = names_of(artifact)
        if taken.program is not None:
            try:
                said = self.run([place, *taken.says], timeout_s=_VERSION_TIMEOUT_S, check=False).stdout
            except (CommandError, HostError, OSError) as error:
                return f"it can't be run ({type(error).__name__})"
            return said.strip() or "it does not say its version"
        if place.suffix == ".tgz":
            return artifact.version  # its name says it
        try:
            text = (place / "Chart.yaml").read_text(encoding="utf-8")
            return str(manifests.load_document(text, source=str(place))["version"])
        except (OSError, LabError, KeyError, TypeError):
            return "no chart"


def _digest_or_id(image: Image, names: list[str]) -> str:
    """Return the digest by which a registry knows an image, so that pulling it or finding it here is the same."""
    repositories = {upstream.split(name.rpartition(":")[0]) for name in names}
    given = (known.partition("@") for known in image.digests)
    return next((digest for name, _, digest in given if upstream.split(name) in repositories), image.id)


def _identity(place: Path) -> str:
    if place.is_file():
        return f"sha256:{file_sha256(place)}"
    lines = [f"{file.relative_to(place).as_posix()} {file_sha256(file)}" for file in folders.files(place)]
    return f"sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"
