"""Check an archive of images before an engine loads it: it must name exactly the images of the bundle.

Docker's image specification v1.2: `manifest.json` lists the images with their tags. An engine with containerd's image
store writes an OCI layout besides, whose `index.json` names images by annotations; it has the index of all platforms of
an image, but the content of only one, which engines accept.
"""

from __future__ import annotations

import json
import posixpath
import tarfile
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Any, cast

from lab.artifacts.from_source.builders.containerd import canonical

_MANIFEST, _INDEX = "manifest.json", "index.json"
_MAX_BYTES = 4 << 20
_BUFFER = 1 << 20
_MAX_MEMBERS = 100_000
"""An engine writes some members for each layer; `tarfile` keeps every header in memory."""
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
"""Annotations with an image's name; containerd's import takes the first that there is."""


class WrongArchiveError(Exception):
    """The archive is not one of exactly these images; the text says why."""


class _Reader:
    """Lets `tarfile` read chunks as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = memoryview(b"")

    def read(self, size: int) -> bytes:
        parts: list[memoryview] = []
        while size > 0:
            if not self._chunk:
                self._chunk = memoryview(next(self._chunks, b""))
            if not self._chunk:
                break
            parts.append(self._chunk[:size])
            self._chunk = self._chunk[size:]
            size -= len(parts[-1])
        return b"".join(parts)


def check(chunks: Iterator[bytes], references: Collection[str]) -> None:
    """Read an archive to its end, and compare the images that it names with `references`.

    Raises:
        WrongArchiveError: it names other images, or it is not an archive of images.
    """
    try:
        found = _documents(_Reader(chunks))
    except (tarfile.TarError, ValueError, RecursionError) as error:
        _to_the_end(chunks)  # damage explains more, if there is any
        raise WrongArchiveError(f"it is not an archive of images ({error})") from error
    _to_the_end(chunks)
    wanted = {canonical(reference) for reference in references}
    try:
        named = _named(found)
    except (KeyError, TypeError, AttributeError) as error:
        raise WrongArchiveError(f"its list of images is unreadable ({error!r})") from error
    if more := named - wanted:
        raise WrongArchiveError(f"it has images that the manifest does not name: {', '.join(sorted(more))}")
    if fewer := wanted - named:
        raise WrongArchiveError(f"it does not have {', '.join(sorted(fewer))}")


def _to_the_end(chunks: Iterator[bytes]) -> None:
    for _ in chunks:
        pass


def _documents(reader: _Reader) -> dict[str, Any]:
    """Return the documents that name images."""
    found: dict[str, Any] = {}
    links: set[str] = set()
    with tarfile.open(fileobj=cast("Any", reader), mode="r|", bufsize=_BUFFER) as tar:
        for count, info in enumerate(tar):
            if count >= _MAX_MEMBERS:
                raise ValueError(f"it has more than {_MAX_MEMBERS} members")
            name = posixpath.normpath(info.name)
            if name.startswith(("/", "..")):
                raise ValueError(f"a path leads out of it: {info.name!r}")
            # Engines link one layer to another. Through a link to a folder, a member could replace the documents.
            below_a_link = not links.isdisjoint(str(parent) for parent in PurePosixPath(name).parents)
            if below_a_link or not (info.isreg() or info.isdir() or info.issym()):
                raise ValueError(f"{info.name!r} is neither a file nor a folder")
            if info.issym():
                links.add(name)
            if name not in {_MANIFEST, _INDEX}:
                continue
            content = tar.extractfile(info) if info.isreg() and info.size <= _MAX_BYTES else None
            if content is None or name in found:
                raise ValueError(f"{name} is there twice, too large, or not a file")
            found[name] = json.loads(content.read())
    if _MANIFEST not in found:
        raise ValueError(f"{_MANIFEST} is missing")
    return found


def _named(found: dict[str, Any]) -> set[str]:
    named = {canonical(tag) for image in found[_MANIFEST] for tag in image["RepoTags"] or ["<no tag>"]}
    for image in found.get(_INDEX, {}).get("manifests", []):
        annotations = image.get("annotations") or {}
        if name := next((annotations[key] for key in _NAMES if annotations.get(key)), None):
            named.add(canonical(name))
    return named
