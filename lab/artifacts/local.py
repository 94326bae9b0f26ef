"""Upstream's own builds that somebody has brought to this machine, under upstream's own names.

Nothing is built or fetched here. An image is looked for in the engine, by upstream's name and by the same name in the
mirror; a program or chart in the folder that lab.toml or LAB_LOCAL_DIR names, a program then on PATH. No digest of any
of them is known beforehand; what was taken is told by the image's ID, or by the SHA-256 of its files.
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab import events, manifests, process
from lab.artifacts import folders
from lab.artifacts.catalog import Artifact
from lab.artifacts.keys import file_sha256
from lab.artifacts.recipe import Made, Work
from lab.errors import ArtifactError, CommandError, HostError, LabError
from lab.tools.docker import Docker

CHART = "chart"
"""Folder of a chart in its entry."""
_VERSION_TIMEOUT_S = 20


@dataclass(frozen=True, kw_only=True)
class Found:
    """A build that is there: under which name (an image's, or a path), and what it is."""

    name: str
    identity: str


@dataclass(frozen=True, kw_only=True)
class NotFound:
    """A build that is not there: each place that was looked at, with what was seen."""

    looked: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.looked)


@dataclass(kw_only=True)
class LocalStore:
    """Answers whether a build is there, under which name, and what it is.

    Args:
        docker: the engine that may have images.
        mirror: a registry host whose names count as upstream's.
        folder: of programs and charts, None for PATH alone.
        run: how programs are asked for their version.
    """

    docker: Docker
    mirror: str | None = None
    folder: Path | None = None
    run: process.Run = field(default=process.run, repr=False)
    _known: dict[str, Found | NotFound] = field(default_factory=dict, repr=False)

    def find(self, artifact: Artifact) -> Found | NotFound:
        """Look for an artifact's build, once in the life of this object."""
        if artifact.name not in self._known:
            self._known[artifact.name] = self._look(artifact)
        return self._known[artifact.name]

    def take(self, work: Work) -> Made:
        """Put what was found where the lab uses it from: an image under upstream's name, files into the entry.

        Raises:
            ArtifactError: it is not there; the error says where it was looked for.
        """
        found, local = self.find(work.artifact), work.artifact.local
        assert local is not None  # noqa: S101 - the caller asked `Keys.from_local`
        if isinstance(found, NotFound):
            raise absent(work.artifact, found)
        events.progress(f"taking {found.name}")
        notes = {"taken from": found.name, "identity": found.identity, "digest": "not known beforehand"}
        if local.image is not None:
            if found.name != work.reference:
                self.docker.tag(found.name, work.reference)
            return Made(image_id=found.identity, notes=notes)
        if local.program is not None:
            target = work.into / "bin" / local.program
            target.parent.mkdir()
            shutil.copy2(found.name, target)
            target.chmod(0o755)
        else:
            _copy_chart(Path(found.name), work.into / CHART)
        return Made(notes=notes)

    # How

    def _look(self, artifact: Artifact) -> Found | NotFound:
        local = artifact.local
        assert local is not None  # noqa: S101 - see `take`
        if local.image is not None:
            return self._image(local.image)
        looked: list[str] = []
        places = self._programs(local.program) if local.program else self._charts(artifact)
        for place in places:
            if not place.exists():
                looked.append(f"{place}: not there")
                continue
            version = self._version(artifact, place)
            if version == artifact.version:
                return Found(name=str(place), identity=_identity(place))
            looked.append(f"{place}: {version}, not {artifact.version}")
        if self.folder is None:
            looked.append("no folder is named (`local` under [artifacts] in lab.toml, or LAB_LOCAL_DIR)")
        return NotFound(looked=tuple(looked))

    def _image(self, name: str) -> Found | NotFound:
        names = [name, *([f"{self.mirror}/{name.partition('/')[2]}"] if self.mirror else [])]
        try:
            for candidate in names:
                image = self.docker.image(candidate)
                if image is not None:
                    return Found(name=candidate, identity=image.id)
        except HostError as error:
            return NotFound(looked=(error.what,))
        return NotFound(looked=tuple(f"the local Docker store has no {candidate}" for candidate in names))

    def _programs(self, name: str) -> Iterator[Path]:
        if self.folder is not None:
            yield self.folder / name
        on_path = shutil.which(name)
        yield Path(on_path) if on_path else Path(f"PATH/{name}")

    def _charts(self, artifact: Artifact) -> Iterator[Path]:
        assert artifact.local is not None  # noqa: S101 - see `take`
        if self.folder is not None:
            yield self.folder / f"{artifact.local.chart}"
            yield self.folder / f"{artifact.local.chart}-{artifact.version}.tgz"

    def _version(self, artifact: Artifact, place: Path) -> str:
        """Return the version of what is there, or why it can't be told."""
        assert artifact.local is not None  # noqa: S101 - see `take`
        if artifact.local.program is not None:
            try:
                said = self.run([place, *artifact.local.says], timeout_s=_VERSION_TIMEOUT_S, check=False).stdout
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


def absent(artifact: Artifact, found: NotFound) -> ArtifactError:
    """Return the error for a build that is not on this machine, with what brings it there."""
    local = artifact.local
    bring = "bring it to this machine"
    if local is not None and local.image is not None:
        bring = f"docker pull {local.image}"
    elif local is not None:
        bring = f"put {local.program or local.chart} into the folder that LAB_LOCAL_DIR names"
    return ArtifactError(f"{artifact.title} {artifact.version} is not on this machine: {found}", next=bring)


def _identity(place: Path) -> str:
    if place.is_file():
        return f"sha256:{file_sha256(place)}"
    lines = [f"{file.relative_to(place).as_posix()} {file_sha256(file)}" for file in folders.files(place)]
    return f"sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"


def _copy_chart(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
        return
    with tarfile.open(source) as tar:
        tar.extractall(target.parent, filter="data")
    (unpacked,) = (path for path in target.parent.iterdir() if path.is_dir())
    unpacked.rename(target)
