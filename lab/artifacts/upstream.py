"""Fetch upstream's own builds from upstream or a mirror: pull images by digest, verify files by sha256."""

from __future__ import annotations

import hashlib
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import requests

from lab.artifacts.catalog import Catalog, Upstream
from lab.artifacts.from_source.builders.image import made_image
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.base import events
from lab.base.errors import ArtifactError, CommandError
from lab.base.files import write_atomic
from lab.base.hosts import is_loopback
from lab.config import ArtifactsSpec

_CONNECT_S = 3
_READ_S = 60
_DEFAULT_REGISTRY = "docker.io"
_DEFAULT_REGISTRY_API = "registry-1.docker.io"
_CHUNK = 1 << 20
_RETRY_S = 600.0
"""How long `auto` remembers that a registry does not answer: so not every command waits for a silent network."""


def chosen(spec: ArtifactsSpec, catalog: Catalog, *, memory: Path, is_up: bool) -> bool:
    """Return whether the lab uses upstream's builds: as set in lab.toml; with `auto`, if the registries answer.

    With `auto`, the lab remembers reachable registries until `lab artifacts clean --all`, so that a registry's failure
    does not change the source. It remembers unreachable registries for `_RETRY_S`, and while the lab is up.

    Args:
        spec: the settings of lab.toml.
        catalog: the catalogue that names the registries.
        memory: the file with the last result.
        is_up: whether the lab is up; then it keeps the last result.
    """
    if spec.source != "auto":
        return spec.source == "upstream"
    try:
        remembered = memory.read_text(encoding="utf-8").strip()
        is_fresh = time.time() - memory.stat().st_mtime < _RETRY_S
    except FileNotFoundError:
        remembered, is_fresh = "", False
    if remembered == "upstream" or (remembered and (is_up or is_fresh)):
        return remembered == "upstream"
    take = reachable(catalog, mirror=spec.mirror)
    memory.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(memory, "upstream\n" if take else "packages\n")
    return take


def registries(catalog: Catalog, *, mirror: str | None = None) -> tuple[str, ...]:
    """Return the registry hosts of the catalogue's upstream images; with a mirror, only the mirror."""
    if mirror is not None:
        return (mirror.partition("/")[0],)
    images = (a.upstream.image for a in catalog if a.upstream is not None)
    return tuple(dict.fromkeys(split(image)[0] for image in images if image is not None))


def reachable(catalog: Catalog, *, mirror: str | None = None) -> bool:
    """Say whether all needed registries answer; takes some seconds at most."""
    hosts = registries(catalog, mirror=mirror)
    return bool(hosts) and all(answers(host) for host in hosts)


def answers(host: str) -> bool:
    """Say whether a host answers as a registry (distribution specification: `GET /v2/` returns 200 or 401)."""
    api = api_host(host)
    scheme = "http" if is_loopback(api) else "https"  # as the engine does
    try:
        status = requests.get(f"{scheme}://{api}/v2/", timeout=(_CONNECT_S, _CONNECT_S)).status_code
    except requests.RequestException:
        return False
    return status in {200, 401}


def api_host(host: str) -> str:
    """Return the API host of a registry: the same host, except for Docker Hub."""
    return _DEFAULT_REGISTRY_API if host == _DEFAULT_REGISTRY else host


def fetch(work: BuildContext, *, mirror: str | None) -> BuildResult:
    """Fetch an artifact's upstream build.

    Raises:
        ArtifactError: upstream is unreachable, or the content does not have the pinned digest.
    """
    pinned = work.artifact.upstream
    assert pinned is not None  # noqa: S101 - the caller checked `Keys.from_upstream`
    if pinned.image is not None:
        return pull(work, pinned.image, mirror)
    download(work, pinned)
    return BuildResult()


def split(image: str) -> tuple[str, str]:
    """Split an image reference into registry host and path, as Docker does."""
    first, _, rest = image.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return _DEFAULT_REGISTRY, image if rest else f"library/{image}"


def pull(work: BuildContext, image: str, mirror: str | None, *, keep_digest: bool = False) -> BuildResult:
    """Pull an image by its digest and tag it as the build's reference.

    Args:
        work: the build of an image.
        image: upstream's reference, with a digest.
        mirror: a registry host that replaces upstream's.
        keep_digest: keep the engine's reference by digest, too.

    Raises:
        ArtifactError: the registry does not have the image, or its content differs from the digest.
    """
    host, path = split(image)
    name, _, digest = path.partition("@")
    # Leave the tag out: the digest decides, and an engine may store only one of the two names.
    reference = f"{mirror or host}/{name.partition(':')[0]}@{digest}"
    was_there = work.docker.image(reference) is not None
    events.progress(f"pulling {reference}")
    try:
        work.docker.pull(reference, on_line=events.reporter())
    except CommandError as error:
        raise _pull_error(work, reference, error) from error
    work.docker.tag(reference, work.reference)
    if not (was_there or keep_digest):
        work.docker.remove_image(reference)  # removes the name only, so that the engine has the same names as before
    return made_image(work)


def _pull_error(work: BuildContext, reference: str, error: CommandError) -> ArtifactError:
    message = error.stderr.lower()
    name, version = work.artifact.name, work.artifact.version
    if any(
        words in message for words in ("verification failed", "digest mismatch", "unexpected eof", "does not match")
    ):
        return ArtifactError(
            f"{name} {version}: the content of {reference} does not have the pinned digest; it was deleted",
            next="run the command again; if it fails again, do not trust that registry: set another `mirror`",
        )
    if any(words in message for words in ("not found", "manifest unknown", "unknown manifest")):
        return ArtifactError(
            f"{name} {version}: the registry does not have {reference}",
            next=_or_build(work, "copy it to the mirror"),
        )
    reason = (error.stderr.strip() or "no reason given").splitlines()[-1]
    return ArtifactError(
        f"{name} {version}: pulling {reference} failed: {reason}",
        next=_or_build(work, "check the network, set a `mirror`"),
    )


def _or_build(work: BuildContext, first: str) -> str:
    """Return the next command after a failed download; an artifact with a recipe can also be built."""
    if work.artifact.recipe is None:
        return f"{first}, or copy it to this machine yourself (README.md, Two stacks)"
    return f'{first}, or set `source = "packages"` under [artifacts] in lab.toml to build it'


def download(work: BuildContext, pinned: Upstream) -> None:
    """Download a file, verify it, and put it or the archive's member into the entry.

    Raises:
        ArtifactError: the download failed, or the file does not have the pinned sha256.
    """
    assert pinned.url is not None and pinned.as_file is not None  # noqa: S101, PT018 - Upstream checks it
    target = work.scratch / "download"
    digest = hashlib.sha256()
    with _explained(work, pinned.url), requests.get(pinned.url, stream=True, timeout=(_CONNECT_S, _READ_S)) as answer:
        answer.raise_for_status()
        total = int(answer.headers.get("Content-Length", 0))
        done = 0
        with target.open("wb") as file:
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                events.progress(f"{done / 2**20:.0f} MiB downloaded", done / total if total else None)
    if digest.hexdigest() != pinned.sha256:
        raise ArtifactError(
            f"{pinned.url} has sha256 {digest.hexdigest()}, not {pinned.sha256}; it was deleted",
            next="run the command again; if it fails again, do not trust that server",
        )
    _place(target, work.into / pinned.as_file, member=pinned.member)


def _place(downloaded: Path, target: Path, *, member: str | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if member is None:
        downloaded.rename(target)
    else:
        with tarfile.open(downloaded) as tar:
            content = tar.extractfile(member)
            if content is None:
                raise ArtifactError(f"the archive has no file {member}")
            with content, target.open("wb") as file:
                for chunk in iter(partial(content.read, _CHUNK), b""):
                    file.write(chunk)
    target.chmod(0o755 if target.parent.name == "bin" else 0o644)


@contextmanager
def _explained(work: BuildContext, url: str) -> Iterator[None]:
    try:
        yield
    except requests.RequestException as error:
        raise ArtifactError(
            f"{work.artifact.name} {work.artifact.version}: downloading {url} failed: {error}",
            next=_or_build(work, "check the network"),
        ) from error
