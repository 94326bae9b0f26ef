"""Write files atomically, and compute their digests. The only module that replaces files."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast


def write_atomic(file: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Replace a file atomically; its folder must exist.

    Args:
        file: the file; a reader sees the old or the new content, also after a power cut.
        content: text is written as UTF-8.
        mode: the file's permissions, whatever the umask is. Until they are set, only the owner can read it.
    """
    with replacing(file, mode=mode) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(file: Path, *, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Yield a stream for a file's new content, and replace the file atomically when the block ends.

    After an error or an interruption in the block, the file is as before. Arguments as for `write_atomic`.
    """
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w+b") as stream:
            yield cast("BinaryIO", stream)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
