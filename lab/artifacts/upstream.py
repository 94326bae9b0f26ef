"""Upstream's own builds: images pulled by digest, files checked by sha256, from upstream or from a mirror of it."""

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
"""A captive portal or a VPN is gone after some minutes; commands in a row do not each wait for a silent network."""


def chosen(spec: ArtifactsSpec, catalog: Catalog, *, memory: Path, is_up: bool) -> bool:
    """Return whether upstream's builds are taken: as lab.toml says, else if upstream's registries are reachable.

    With `auto`, that they are reachable is remembered until `lab artifacts clean --all`: a lab does not change its
    source because a registry is away. That they are not is remembered for `_RETRY_S`, and while the lab is up.

    Args:
        spec: what lab.toml says.
        catalog: with the registries to ask.
        memory: the file with the last answer.
        is_up: whether the lab is up, with what the last answer led to.
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
    """Return the registry hosts that the catalogue's upstream images come from; with a mirror, only that."""
    if mirror is not None:
        return (mirror.partition("/")[0],)
    images = (a.upstream.image for a in catalog if a.upstream is not None)
    return tuple(dict.fromkeys(split(image)[0] for image in images if image is not None))


def reachable(catalog: Catalog, *, mirror: str | None = None) -> bool:
    """Ask every registry that is needed whether it is one. Takes some seconds at most."""
    hosts = registries(catalog, mirror=mirror)
    return bool(hosts) and all(answers(host) for host in hosts)


def answers(host: str) -> bool:
    """Ask one registry host whether it is one (the distribution specification's `GET /v2/`: 200 or 401)."""
    api = api_host(host)
    scheme = "http" if is_loopback(api) else "https"  # as the engine does
    try:
        status = requests.get(f"{scheme}://{api}/v2/", timeout=(_CONNECT_S, _CONNECT_S)).status_code
    except requests.RequestException:
        return False
    return status in {200, 401}


def api_host(host: str) -> str:
    """Return the host that speaks for a registry: its own, but for Docker Hub."""
    return _DEFAULT_REGISTRY_API if host == _DEFAULT_REGISTRY else host


def fetch(work: BuildContext, *, mirror: str | None) -> BuildResult:
    """Fetch an artifact's upstream build, or fail without leaving anything.

    Raises:
        ArtifactError: upstream can't be reached, or what came is not what the catalogue pins.
    """
    pinned = work.artifact.upstream
    assert pinned is not None  # noqa: S101 - the caller asked `Keys.from_upstream`
    if pinned.image is not None:
        return pull(work, pinned.image, mirror)
    download(work, pinned)
    return BuildResult()


def split(image: str) -> tuple[str, str]:
    """Split a reference into registry host and the rest, as the engine does."""
    first, _, rest = image.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return _DEFAULT_REGISTRY, image if rest else f"library/{image}"


def pull(work: BuildContext, image: str, mirror: str | None, *, keep_digest: bool = False) -> BuildResult:
    """Pull an image by its digest and tag it as the work's reference.

    Args:
        work: of an image.
        image: upstream's reference, with a digest.
        mirror: a registry host that replaces upstream's.
        keep_digest: leave the engine knowing it by its digest, too.

    Raises:
        ArtifactError: it is missing, or differs from the digest.
    """
    host, path = split(image)
    name, _, digest = path.partition("@")
    # Without the tag: what counts is the digest, and an engine may know an image by one of the two only.
    reference = f"{mirror or host}/{name.partition(':')[0]}@{digest}"
    was_there = work.docker.image(reference) is not None
    events.progress(f"pulling {reference}")
    try:
        work.docker.pull(reference, on_line=events.reporter())
    except CommandError as error:
        raise _pull_error(work, reference, error) from error
    work.docker.tag(reference, work.reference)
    if not (was_there or keep_digest):
        work.docker.remove_image(reference)  # the name only: what is left when the lab goes is what was there before
    return made_image(work)


def _pull_error(work: BuildContext, reference: str, error: CommandError) -> ArtifactError:
    said = error.stderr.lower()
    name, version = work.artifact.name, work.artifact.version
    if any(words in said for words in ("verification failed", "digest mismatch", "unexpected eof", "does not match")):
        return ArtifactError(
            f"{name} {version}: what {reference} sent does not have the pinned digest, and was thrown away",
            next="run it again; if it stays so, do not trust that registry: name another `mirror` in lab.toml",
        )
    if any(words in said for words in ("not found", "manifest unknown", "unknown manifest")):
        return ArtifactError(
            f"{name} {version}: {reference} is missing",
            next=_or_build(work, "copy it to the mirror"),
        )
    reason = (error.stderr.strip() or "no reason given").splitlines()[-1]
    return ArtifactError(
        f"{name} {version}: {reference} could not be pulled: {reason}",
        next=_or_build(work, "look at the network, name a `mirror`"),
    )


def _or_build(work: BuildContext, first: str) -> str:
    """Say what to do about a build that can't be fetched: one that has a recipe can also be built."""
    if work.artifact.recipe is None:
        return f"{first}, or bring it to this machine by yourself (README.md, Two stacks)"
    return f'{first}, or set `source = "packages"` under [artifacts] in lab.toml to build it'


def download(work: BuildContext, pinned: Upstream) -> None:
    """Download a file and put it, or the one wanted of an archive, into the entry.

    Raises:
        ArtifactError: it could not be downloaded, or does not have its sha256.
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
            f"{pinned.url} has sha256 {digest.hexdigest()}, not {pinned.sha256}; it was thrown away",
            next="run the command again; if it stays so, do not trust what is downloaded there",
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
            f"{work.artifact.name} {work.artifact.version}: {url} could not be downloaded: {error}",
            next=_or_build(work, "look at the network"),
        ) from error
