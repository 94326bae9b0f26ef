"""Write and read the tar file of a bundle: regular members only, each compressed on its own.

gzip with level 1 in parallel threads: it writes at the speed of a disk, and a program shrinks to a third.
The same content gives the same bytes: members have no times, owners or modes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from lab.artifacts.bundle import manifest as manifests
from lab.artifacts.bundle.manifest import BundleManifest
from lab.base import cancel
from lab.base.concurrency import Future, Threads
from lab.base.errors import ArtifactError, UsageError

_CHUNK = 4 << 20
_LEVEL = 1
_GZIP = 31
"""zlib's window size for a gzip header."""
_BLOCK = tarfile.BLOCKSIZE
_DAMAGED = "copy the file again, and compare its sha256 with what `lab bundle save` printed"


class BundleWriter:
    """Writes the members of a bundle into a stream that can seek."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._parallel = max(2, os.cpu_count() or 1)
        self._threads = Threads(self._parallel, thread_name_prefix="gzip")
        self._at: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.__exit__(kind, error, trace)

    def add_plain(self, name: str, content: bytes) -> None:
        """Write a member without compression; `rewrite` can change it."""
        self._member(name, [content])

    def add(self, name: str, chunks: Iterable[bytes]) -> tuple[int, str]:
        """Write a compressed member; return the size and sha256 of its content before compression."""
        digest, size = hashlib.sha256(), 0

        def seen() -> Iterator[bytes]:
            nonlocal size
            for chunk in chunks:
                cancel.token().check("saving the bundle")
                digest.update(chunk)
                size += len(chunk)
                yield chunk

        self._member(name, self._compressed(seen()))
        return size, digest.hexdigest()

    def rewrite(self, name: str, content: bytes) -> None:
        """Replace the content of a plain member by content of the same size."""
        at, size = self._at[name]
        if len(content) != size:
            raise ValueError(f"{name} has {size} bytes, not {len(content)}")
        end = self._stream.tell()
        self._stream.seek(at)
        self._stream.write(content)
        self._stream.seek(end)

    def close(self) -> None:
        """Write the end of the archive."""
        self._stream.write(b"\0" * (2 * _BLOCK))

    def _member(self, name: str, chunks: Iterable[bytes]) -> None:
        start = self._stream.tell()
        self._stream.write(_header(name, 0))
        at = self._stream.tell()
        for chunk in chunks:
            self._stream.write(chunk)
        size = self._stream.tell() - at
        self._stream.write(b"\0" * (-size % _BLOCK))
        end = self._stream.tell()
        self._stream.seek(start)
        self._stream.write(_header(name, size))
        self._stream.seek(end)
        self._at[name] = (at, size)

    def _compressed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Compress blocks in parallel. A gzip file may consist of several parts (RFC 1952, 2.2)."""
        waiting: deque[Future[bytes]] = deque()
        for block in _blocks(chunks):
            waiting.append(self._threads.submit(zlib.compress, block, _LEVEL, _GZIP))
            if len(waiting) > 2 * self._parallel:
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content in blocks of one size, so that the result does not depend on the source; at least one."""
    block, some = bytearray(), False
    for chunk in chunks:
        block += chunk
        while len(block) >= _CHUNK:
            yield bytes(block[:_CHUNK])
            del block[:_CHUNK]
            some = True
    if block or not some:
        yield bytes(block)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


class _Place(NamedTuple):
    """Where a member's content is in the file."""

    start: int
    size: int


class _Part(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, stream: BinaryIO, place: _Place) -> None:
        self._stream, self._at, self._end = stream, place.start, place.start + place.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # typeshed: WriteableBuffer
        self._stream.seek(self._at)
        content = self._stream.read(min(len(buffer), self._end - self._at))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


class BundleReader:
    """Reads a bundle; use it in a `with` block. It has checked the manifest and all headers, but no content yet.

    It reads the headers itself: `tarfile` follows extensions of the format, such as links and sparse files, and a
    bundle has none.

    Args:
        file: the bundle.

    Raises:
        UsageError: the file does not exist, or is not a file.
        ArtifactError: it is not a bundle, it is truncated or damaged, or it has members that a bundle cannot have.
    """

    def __init__(self, file: Path) -> None:
        if not file.is_file():
            what = "is not a file" if file.exists() else "does not exist"
            raise UsageError(f"{file} {what}", next="name a file that `lab bundle save` wrote")
        self.file = file
        self._stream = file.open("rb")
        self._at = 0
        self._places: dict[str, _Place] = {}
        try:
            self.manifest = self._checked()
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def damaged(self, member: str, why: str) -> ArtifactError:
        """Return the error for a damaged member."""
        return ArtifactError(f"the bundle is damaged: {member}: {why}", where=str(self.file), next=_DAMAGED)

    def content(self, member: str, *, size: int, sha256: str) -> Generator[bytes, None, None]:
        """Yield the content of a member, and verify it: the caller discards what it got after an error.

        Raises:
            ArtifactError: it does not have this size and sha256.
        """
        digest, left = hashlib.sha256(), size
        try:
            with self._raw(member) as raw, gzip.GzipFile(fileobj=raw) as unpacked:
                while chunk := unpacked.read(min(_CHUNK, left + 1)):
                    cancel.token().check("reading the bundle")
                    left -= len(chunk)
                    if left < 0:
                        raise self.damaged(member, f"it has more than {size} bytes")
                    digest.update(chunk)
                    yield chunk
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise self.damaged(member, str(error)) from error
        if left or digest.hexdigest() != sha256:
            raise self.damaged(member, "its content does not have the sha256 of the manifest")

    def stored(self, member: str) -> Iterator[bytes]:
        """Yield a member as it is in the file, compressed."""
        with self._raw(member) as raw:
            while chunk := raw.read(_CHUNK):
                cancel.token().check("reading the bundle")
                yield chunk

    def stored_size(self, member: str) -> int:
        """Return the size of a member as it is in the file."""
        return self._places[member].size

    def _raw(self, member: str) -> BinaryIO:
        return io.BufferedReader(_Part(self._stream, self._places[member]), _CHUNK)

    def _checked(self) -> BundleManifest:
        """Read the manifest, and compare it with the headers of all members."""
        text = self._plain(manifests.NAME, limit=manifests.MAX_BYTES)
        digest = self._plain(manifests.DIGEST_NAME, limit=65)
        if digest != manifests.digest_line(text):
            raise self.damaged(manifests.NAME, f"it does not have the sha256 in {manifests.DIGEST_NAME}")
        manifest = manifests.parse(text, where=str(self.file))
        for name in manifest.members():
            self._next(name)
        if (more := self._header()) is not None:
            raise ArtifactError(
                f"the bundle has a member that is not in its manifest: {more.name!r}",
                where=str(self.file),
                next="do not use this file: `lab bundle save` does not write such members",
            )
        return manifest

    def _plain(self, name: str, *, limit: int) -> bytes:
        place = self._next(name)
        if place.size > limit:
            raise self.damaged(name, f"it has {place.size} bytes, more than {limit}")
        with self._raw(name) as raw:
            return raw.read()

    def _next(self, name: str) -> _Place:
        """Return the place of the next member, which must be the regular file `name`, and whole."""
        info = self._header(expected=name)
        if info is None:
            raise self.damaged(name, "the file ends before it")
        if info.name != name or info.type != tarfile.REGTYPE or info.size < 0:
            raise ArtifactError(
                f"the bundle has {info.name!r} where it must have the regular file {name}",
                where=str(self.file),
                next=_DAMAGED,
            )
        place = _Place(self._at, info.size)
        self._at += info.size + -info.size % _BLOCK
        if place.start + place.size > os.fstat(self._stream.fileno()).st_size:
            raise self.damaged(name, "the file is truncated: it ends inside this member")
        self._places[name] = place
        return place

    def _header(self, expected: str = "the end") -> tarfile.TarInfo | None:
        """Return the next header; None at the end of the archive."""
        self._stream.seek(self._at)
        block = self._stream.read(_BLOCK)
        self._at += len(block)
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError):  # type: ignore[attr-defined] # not in typeshed
            return None
        except (tarfile.TarError, UnicodeError) as error:
            if not self._places:
                raise ArtifactError(
                    "it is not a bundle: it is not a tar file",
                    where=str(self.file),
                    next="name a file that `lab bundle save` wrote, or copy it again",
                ) from error
            raise self.damaged(expected, f"its header is damaged ({error})") from error
