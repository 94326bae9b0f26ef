"""Find upstream's own builds on this machine, under upstream's names.

The lab searches for an image in the engine, by upstream's name and by the mirror's; for a program or chart in the
folder that lab.toml or LAB_LOCAL_DIR names; for a program then on PATH.
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
    """This machine as a source of builds (`resolver.Source`).

    Args:
        docker: the engine that may have images.
        mirror: a registry host whose image names count as upstream's.
        folder: the folder with programs and charts; None to search PATH only.
        run: runs programs to read their version.
    """

    docker: Docker
    mirror: str | None = None
    folder: Path | None = None
    run: process.Run = field(default=process.run, repr=False)
    source: str = LOCAL

    def look(self, artifact: Artifact) -> Match | NotFound:
        """Search this machine for an artifact's build."""
        taken = names_of(artifact)
        if taken.image is not None:
            return self._image(taken.image)
        searched: list[str] = []
        candidates = self._programs(taken.program) if taken.program else self._charts(artifact)
        for path in candidates:
            if not path.exists():
                searched.append(f"{path}: does not exist")
                continue
            version = self._version(artifact, path)
            if version == artifact.version:
                return Match(name=str(path), identity=_identity(path), place=self)
            searched.append(f"{path}: {version}, not {artifact.version}")
        if self.folder is None:
            searched.append("no local folder is set (`local` under [artifacts] in lab.toml, or LAB_LOCAL_DIR)")
        return NotFound(looked=tuple(searched))

    def take(self, match: Match, work: BuildContext) -> BuildResult:
        """Tag the image, or copy the files into the entry."""
        taken = names_of(work.artifact)
        if isinstance(
            now := self.look(work.artifact), NotFound
        ):  # an earlier entry has its digest, but the build was deleted here
            raise absent([(work.artifact, now)])
        if taken.image is not None:
            if match.name != work.reference:
                self.docker.tag(match.name, work.reference)
            image = self.docker.image(work.reference)
            return BuildResult(image_id=image.id if image else None)
        if taken.program is not None:
            target = work.into / "bin" / taken.program
            target.parent.mkdir()
            shutil.copy2(match.name, target)
            target.chmod(0o755)
        elif Path(match.name).is_dir():
            shutil.copytree(match.name, work.into / CHART)
        else:
            put_chart(Path(match.name), work)
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
            return NotFound(looked=(error.what,), next=error.next)
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

    def _version(self, artifact: Artifact, path: Path) -> str:
        """Return the version of a program or chart, or the reason why it is unknown."""
        taken = names_of(artifact)
        if taken.program is not None:
            try:
                output = self.run([path, *taken.says], timeout_s=_VERSION_TIMEOUT_S, check=False).stdout
            except (CommandError, HostError, OSError) as error:
                return f"it does not run ({type(error).__name__})"
            return output.strip() or "it prints no version"
        if path.suffix == ".tgz":
            return artifact.version  # the file's name has the version
        try:
            text = (path / "Chart.yaml").read_text(encoding="utf-8")
            return str(manifests.load_document(text, source=str(path))["version"])
        except (OSError, LabError, KeyError, TypeError):
            return "not a chart"


def _digest_or_id(image: Image, names: list[str]) -> str:
    """Return an image's digest in its registry, so that a local image and a pulled one have the same identity."""
    repositories = {upstream.split(name.rpartition(":")[0]) for name in names}
    given = (known.partition("@") for known in image.digests)
    return next((digest for name, _, digest in given if upstream.split(name) in repositories), image.id)


def _identity(path: Path) -> str:
    if path.is_file():
        return f"sha256:{file_sha256(path)}"
    lines = [f"{file.relative_to(path).as_posix()} {file_sha256(file)}" for file in folders.files(path)]
    return f"sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"
