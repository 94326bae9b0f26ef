"""Save the artifacts of stacks into a bundle."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import __version__
from lab.artifacts.bundle import manifest as manifests
from lab.artifacts.bundle import space
from lab.artifacts.bundle.manifest import (
    SCHEMA,
    BundledArtifact,
    BundledDecision,
    BundledFile,
    BundledImages,
    BundleManifest,
    BundlePlatform,
)
from lab.artifacts.bundle.members import BundleWriter
from lab.artifacts.entry import Entry
from lab.artifacts.store import ArtifactStore
from lab.base import events
from lab.base.errors import ArtifactError, HostError, UsageError
from lab.base.files import file_sha256, replacing

_COMPRESSED = 0.5
"""Upper limit of a bundle's size in proportion to its content; measured: 0.3 to 0.45."""
_CHUNK = 1 << 20
_LONGEST = BundledImages(size=64 << 30, sha256="0" * 64)
"""Takes at least the place of any real digest and size in the manifest, which is written last."""


@dataclass(frozen=True, kw_only=True)
class SavedReport:
    """A saved bundle."""

    file: str
    size_bytes: int
    sha256: str
    platform: str
    stacks: tuple[str, ...]
    artifacts: tuple[str, ...]


def save(store: ArtifactStore, stacks: Mapping[str, Sequence[str]], file: Path, *, force: bool = False) -> SavedReport:
    """Save artifacts into a bundle: a file that everybody may read, or after an error or Ctrl-C no file at all.

    Args:
        store: the store that has them.
        stacks: for each stack, the artifacts that `lab up` needs.
        file: the bundle to write.
        force: replace an existing file.

    Raises:
        UsageError: the file exists, or cannot be a file.
        ArtifactError: an artifact is unavailable, is not built or taken yet, or is damaged.
        HostError: the disk has too little space.
    """
    _check_target(file, force=force)
    names = list(dict.fromkeys(name for needed in stacks.values() for name in needed))
    parts = store.keys.closure(names)
    if (unobtainable := store.unobtainable(names)) is not None:
        raise unobtainable
    entries = _entries(store, names)
    references = [entry.image for entry in entries if entry.image is not None]
    sizes = {reference: image.size_bytes for reference in references if (image := store.docker.image(reference))}
    content = sum(entry.size_bytes for entry in entries) + sum(sizes.values())
    space.check({file.absolute().parent: int(content * _COMPRESSED)})
    draft = BundleManifest(
        schema=SCHEMA,
        lab=__version__,
        platform=BundlePlatform.here(store.docker),
        stacks={name: list(needed) for name, needed in stacks.items()},
        decisions={name: _decided(store, name) for name in sorted(parts)},
        artifacts=[_described(entry) for entry in entries],
        images=_LONGEST if references else None,
    )
    done = _Progress(content)
    with _explained(file), replacing(file, mode=0o644) as stream, BundleWriter(stream) as writer:
        room = len(draft.write())
        writer.add_plain(manifests.NAME, b" " * room)
        writer.add_plain(manifests.DIGEST_NAME, b" " * 65)
        for entry, artifact in zip(entries, draft.artifacts, strict=True):
            for bundled in artifact.files:
                chunks = done.counted(entry.name, _read(entry.path / bundled.path))
                if writer.add(artifact.member(bundled), chunks) != (bundled.size, bundled.sha256):
                    raise _damaged(entry.name, f"{bundled.path} does not have the digest in its manifest")
        images = None
        if references:
            with closing(store.docker.save_stream(references)) as saved:
                size, sha256 = writer.add(manifests.IMAGES, done.counted("images", saved))
            images = BundledImages(size=size, sha256=sha256)
        text = draft.model_copy(update={"images": images}).write().ljust(room)
        writer.rewrite(manifests.NAME, text)
        writer.rewrite(manifests.DIGEST_NAME, manifests.digest_line(text))
        writer.close()
        events.progress("writing to the disk")
    return SavedReport(
        file=str(file),
        size_bytes=file.stat().st_size,
        sha256=file_sha256(file),
        platform=str(draft.platform),
        stacks=tuple(stacks),
        artifacts=tuple(names),
    )


def _check_target(file: Path, *, force: bool) -> None:
    if not file.absolute().parent.is_dir():
        raise UsageError(f"the folder {file.absolute().parent} does not exist", next=f"mkdir -p {file.parent}")
    if file.is_dir():
        raise UsageError(f"{file} is a folder", next=f"lab bundle save {file / 'lab.bundle'}")
    if file.exists() and not force:
        raise UsageError(f"{file} exists already", next="name another file, or add --force to replace it")


def _entries(store: ArtifactStore, names: Iterable[str]) -> list[Entry]:
    problems = {name: problem for name in names if (problem := store.problem(name)) is not None}
    if problems:
        lines = [f"{store.catalog[name].title} ({name}): {problem}" for name, problem in problems.items()]
        raise ArtifactError(
            "the bundle needs artifacts that are not ready here\n  " + "\n  ".join(lines),
            next=f"lab artifacts build {' '.join(problems)}",
        )
    return [entry for name in names if (entry := store.entry(name)) is not None]


def _decided(store: ArtifactStore, name: str) -> BundledDecision:
    entry = store.entry(name)
    identity = entry.notes.get("identity", "") if entry is not None else ""
    return BundledDecision.of(store.catalog[name], store.decisions[name], identity=identity)


def _described(entry: Entry) -> BundledArtifact:
    return BundledArtifact(
        name=entry.name,
        key=entry.key,
        version=entry.version,
        source=entry.source,
        built_at=entry.built_at,
        duration_s=entry.duration_s,
        files=[BundledFile(path=rel, size=r.size, sha256=r.sha256) for rel, r in sorted(entry.files.items())],
        image=entry.image,
        image_id=entry.image_id,
        baked=list(entry.baked),
        notes={key: manifests.portable(value) for key, value in entry.notes.items()},
    )


def _damaged(name: str, why: str) -> ArtifactError:
    return ArtifactError(f"{name} is damaged: {why}", next=f"lab artifacts build {name}")


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_CHUNK), b"")


class _Progress:
    """Reports the bytes that were read, of all artifacts together."""

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)
        self._done = 0

    def counted(self, what: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._done += len(chunk)
            text = f"{what}: {self._done >> 20} of about {space.mib(self._total)}"
            events.progress(text, min(1.0, self._done / self._total))
            yield chunk


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Explain errors of the file system, which shows some limits only while it writes."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            why, fix = "the disk is full", "free some disk space, or name a file on another disk"
        elif error.errno == errno.EFBIG:
            why, fix = "the file system has a limit for a file's size", "name a file on another disk (FAT32: 4 GiB)"
        else:
            raise
        raise HostError(f"{why}; the unfinished bundle was deleted", where=str(file), next=fix) from error
