"""Upstream's own builds: from container registries or a mirror, and from the servers of releases."""

from __future__ import annotations

import gzip
import re
import tarfile
import threading
import zlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from lab.artifacts import pull, registry, web
from lab.artifacts.catalog import Artifact, Catalog
from lab.artifacts.pins import FILE_NAME, Pin, Pins
from lab.artifacts.platforms import Platform, here
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.artifacts.resolver import MIRROR, UPSTREAM, Match, NotFound, put_chart, upstream_of
from lab.artifacts.upstream import Download, split
from lab.artifacts.web import WebError
from lab.base import events
from lab.base.concurrency import Threads
from lab.base.errors import ArtifactError, DigestError
from lab.base.files import file_sha256
from lab.base.pulled import Pulled

FIRST_USE = "its first use"
_CHECKSUM = re.compile(r"([0-9a-f]{64})(\s|$)", re.IGNORECASE)
_CHUNK = 1 << 20
_AGAIN = "check the network, then run the command again"


class Published:
    """Upstream's registries and release servers as a source of builds (`resolver.Source`).

    Args:
        catalog: the catalogue that names the registries.
        pins: the required digests.
        mirror: a registry host that replaces all registries.
        asks: whether the lab may use the network.
        platform: the platform of programs; by default this machine's.
    """

    def __init__(
        self, *, catalog: Catalog, pins: Pins, mirror: str | None, asks: bool, platform: Platform | None = None
    ) -> None:
        self._pins = pins
        self._mirror = mirror
        self._asks = asks
        self._platform = platform
        self._hosts = registries((artifact for artifact in catalog if not artifact.profile), mirror=mirror)
        self._guard = threading.Lock()
        self._answering: dict[str, bool] = {}

    def look(self, artifact: Artifact, pin: Pin | None) -> Match | NotFound:
        """Ask the registry for an artifact's digest, or the server of its release for the checksum file."""
        build = upstream_of(artifact)
        if build.chart is not None and build.registry is None:
            return NotFound(looked=("upstream does not publish it in a registry",))
        if not self._asks:
            return NotFound(looked=('registries are not asked, with `source = "packages"` and no `mirror`',))
        try:
            if build.url is not None:
                return self._release(artifact, pin)
            return self._in_registry(self._pins.name(artifact), pin)
        except WebError as error:
            if pin is not None and error.absent and build.url is None:
                what = f"the registry has no {self._pins.name(artifact)} with the digest {pin.digest}, as {pin.by} says"
                return NotFound(looked=(what,), next=_next_after(pin.by) if pin.by.endswith(FILE_NAME) else None)
            return NotFound(looked=(str(error),))

    def take(self, match: Match, work: BuildContext) -> BuildResult:
        """Pull or download a build, and verify its digest."""
        build = upstream_of(work.artifact)
        if build.image is not None:
            reference = self._reference(build.reference or "").rpartition(":")[0]
            return pull.pull(work, f"{reference}@{match.identity}")
        try:
            if build.chart is not None:
                packed = work.scratch / "chart.tgz"
                packed.write_bytes(registry.chart(self._reference(match.name), match.identity))
                pulled = Pulled(files=1, blobs={match.identity: packed.stat().st_size})
                put_chart(packed, work)
                return BuildResult(pulled=pulled)
            return self._download(match, work)
        except WebError as error:
            raise ArtifactError(str(error), next=_AGAIN) from error

    # Images and charts

    def _in_registry(self, name: str, pin: Pin | None) -> Match:
        host = split(self._reference(name))[0]
        if not self._answers(host):
            raise WebError(f"{host} does not answer")
        asked = f"{self._reference(name).rpartition(':')[0]}@{pin.digest}" if pin else self._reference(name)
        return Match(
            source=MIRROR if self._mirror else UPSTREAM,
            name=name,
            identity=registry.digest(asked),
            trust=pin.by if pin else FIRST_USE,
        )

    def _answers(self, host: str) -> bool:
        """Say whether a registry answers. The first call asks all registries in parallel.

        A registry that only profiles use is not among these; the first call for one of its images asks it.
        """
        with self._guard:
            if host not in self._answering:
                asked = [*(self._hosts if not self._answering else ()), *([] if host in self._hosts else [host])]
                with Threads(len(asked)) as threads:
                    self._answering.update(zip(asked, threads.map(registry.answers, asked), strict=True))
            return self._answering[host]

    def _reference(self, name: str) -> str:
        return f"{self._mirror}/{split(name)[1]}" if self._mirror else name

    # Files of releases

    def _release(self, artifact: Artifact, pin: Pin | None) -> Match:
        download = self._file(artifact)
        identity, trust = (pin.digest, pin.by) if pin else _checksum(download)
        web.exists(download.url)
        return Match(source=UPSTREAM, name=download.url, identity=identity, trust=trust)

    def _file(self, artifact: Artifact) -> Download:
        version = artifact.version_from(upstream=True)
        return upstream_of(artifact).download(version, self._platform or here())

    def _download(self, match: Match, work: BuildContext) -> BuildResult:
        download, target = self._file(work.artifact), work.scratch / "download"
        web.download(download.url, target)
        events.progress("checking its digest")
        identity = f"sha256:{file_sha256(target)}"
        if match.identity and identity != match.identity:
            raise DigestError(
                f"{download.url} has the digest {identity}, not {match.identity} as {match.trust} says; it was deleted",
                next=_next_after(match.trust),
            )
        pulled = Pulled(files=1, blobs={identity: target.stat().st_size})
        _place(target, work.into / download.as_file, member=download.member)
        return BuildResult(identity=identity, pulled=pulled)


def registries(artifacts: Iterable[Artifact], *, mirror: str | None = None) -> tuple[str, ...]:
    """Return the registry hosts of artifacts' images and charts; with a mirror, only the mirror."""
    builds = [artifact.upstream for artifact in artifacts if artifact.upstream is not None]
    names = [build.reference or f"{build.registry}/" for build in builds if build.image or build.registry]
    if mirror is not None and names:
        return (mirror.partition("/")[0],)
    return tuple(dict.fromkeys(split(name)[0] for name in names))


def _checksum(download: Download) -> tuple[str, str]:
    """Return the digest in the checksum file beside a release's file, and why it is trusted.

    Where upstream has no such file, the digest is empty: its first download is trusted.

    Raises:
        WebError: the server does not answer, or the file is not a checksum file.
    """
    if download.checksum_url is None:
        return "", FIRST_USE
    try:
        text = web.get(download.checksum_url).text
    except WebError as error:
        if error.absent:
            return "", FIRST_USE
        raise
    found = _CHECKSUM.match(text.strip())
    if found is None:
        raise WebError(f"{download.checksum_url} is not a checksum file: it begins with {text.strip()[:40]!r}")
    return f"sha256:{found[1].lower()}", download.checksum_url


def _next_after(trust: str) -> str:
    """Return the next command where upstream's content does not have the trusted digest."""
    if trust.endswith(FILE_NAME):
        return f"if upstream has published it anew and you trust the new content, delete its line in {trust}"
    return "run the command again; if it fails again, do not trust that server"


def _place(downloaded: Path, target: Path, *, member: str | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if member is None:
        downloaded.rename(target)
    else:
        try:
            _extract(downloaded, member, target)
        except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, KeyError) as error:
            raise ArtifactError(f"the download has no file {member}: {error}", next=_AGAIN) from error
    target.chmod(0o755 if target.parent.name == "bin" else 0o644)


def _extract(archive: Path, member: str, target: Path) -> None:
    with tarfile.open(archive) as tar, target.open("wb") as file:
        content = tar.extractfile(member)
        if content is None:
            raise KeyError(member)
        with content:
            for chunk in iter(partial(content.read, _CHUNK), b""):
                file.write(chunk)
        # gzip's checksum is at the end of the archive: without it, damaged content could be taken.
        while tar.fileobj is not None and tar.fileobj.read(_CHUNK):
            pass
