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

from lab.artifacts import folders
from lab.artifacts.catalog import Artifact
from lab.artifacts.pins import Pin
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.artifacts.resolver import CHART, LOCAL, Match, NotFound, absent, put_chart, upstream_of
from lab.artifacts.upstream import split
from lab.base import process
from lab.base.errors import HostError, LabError
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

    def look(self, artifact: Artifact, pin: Pin | None = None) -> Match | NotFound:
        """Search this machine for an artifact's build."""
        build = upstream_of(artifact)
        if build.reference is not None:
            return self._image(build.reference, pin)
        if not (build.program or build.chart):
            return NotFound(looked=())
        version = artifact.version_from(upstream=True)
        searched: list[str] = []
        for path in self._programs(build.program) if build.program else self._charts(artifact):
            if not path.exists():
                searched.append(f"{path}: does not exist")
            elif (found := self._version(artifact, path)) != version:
                searched.append(f"{path}: {found}, not {version}")
            elif pin is not None and build.program and (identity := _identity(path)) != pin.digest:
                searched.append(f"{path}: its digest is {identity}, not {pin.digest} as {pin.by} says")
            else:
                return Match(source=LOCAL, name=str(path), identity=_identity(path))
        if self.folder is None:
            searched.append("no local folder is set (`local` under [artifacts] in lab.toml, or LAB_LOCAL_DIR)")
        return NotFound(looked=tuple(searched))

    def take(self, match: Match, work: BuildContext) -> BuildResult:
        """Tag the image, or copy the files into the entry."""
        build = upstream_of(work.artifact)
        # An earlier entry has its digest, but the build was deleted here.
        if isinstance(now := self.look(work.artifact), NotFound):
            raise absent([(work.artifact, now)])
        if build.reference is not None:
            if match.name != work.reference:
                self.docker.tag(match.name, work.reference)
            image = self.docker.image(work.reference)
            return BuildResult(image_id=image.id if image else None)
        if build.program is not None:
            target = work.into / "bin" / build.program
            target.parent.mkdir()
            shutil.copy2(match.name, target)
            target.chmod(0o755)
        elif Path(match.name).is_dir():
            shutil.copytree(match.name, work.into / CHART)
        else:
            put_chart(Path(match.name), work)
        return BuildResult()

    # How

    def _image(self, name: str, pin: Pin | None) -> Match | NotFound:
        names = [name, *([f"{self.mirror}/{split(name)[1]}"] if self.mirror else [])]
        searched: list[str] = []
        try:
            for candidate in names:
                image = self.docker.image(candidate)
                if image is None:
                    searched.append(f"the local Docker store has no {candidate}")
                elif pin is not None and (identity := _digest_or_id(image, names)) != pin.digest:
                    wanted = f"{pin.digest} as {pin.by} says"
                    searched.append(f"the local Docker store's {candidate} has the digest {identity}, not {wanted}")
                else:
                    return Match(source=LOCAL, name=candidate, identity=_digest_or_id(image, names))
        except HostError as error:
            return NotFound(looked=(error.what,), next=error.next)
        return NotFound(looked=tuple(searched))

    def _programs(self, name: str) -> Iterator[Path]:
        if self.folder is not None:
            yield self.folder / name
        on_path = shutil.which(name)
        yield Path(on_path) if on_path else Path(f"PATH/{name}")

    def _charts(self, artifact: Artifact) -> Iterator[Path]:
        if self.folder is not None:
            chart = upstream_of(artifact).chart
            yield self.folder / f"{chart}"
            yield self.folder / f"{chart}-{artifact.version_from(upstream=True)}.tgz"

    def _version(self, artifact: Artifact, path: Path) -> str:
        """Return the version of a program or chart, or the reason why it is unknown."""
        build = upstream_of(artifact)
        if build.program is not None:
            try:
                output = self.run([path, *build.says], timeout_s=_VERSION_TIMEOUT_S, check=False).stdout
            except LabError as error:
                return f"it does not run ({error.what})"
            except OSError as error:
                return f"it does not run ({error.strerror or error})"
            return output.strip() or "it prints no version"
        if path.suffix == ".tgz":
            return artifact.version_from(upstream=True)  # the file's name has the version
        try:
            text = (path / "Chart.yaml").read_text(encoding="utf-8")
            return str(manifests.load_document(text, source=str(path))["version"])
        except (OSError, LabError, KeyError, TypeError):
            return "not a chart"


def _digest_or_id(image: Image, names: list[str]) -> str:
    """Return an image's digest in its registry, so that a local image and a pulled one have the same identity."""
    repositories = {split(name.rpartition(":")[0]) for name in names}
    given = (known.partition("@") for known in image.digests)
    return next((digest for name, _, digest in given if split(name) in repositories), image.id)


def _identity(path: Path) -> str:
    if path.is_file():
        return f"sha256:{file_sha256(path)}"
    lines = [f"{file.relative_to(path).as_posix()} {file_sha256(file)}" for file in folders.files(path)]
    return f"sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"
