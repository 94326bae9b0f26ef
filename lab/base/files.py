"""Write files atomically, and compute their digests. The only module that replaces files."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


def write_atomic(file: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Replace a file atomically; its folder must exist.

    Args:
        file: the file; a reader sees the old or the new content, also after a power cut.
        content: text is written as UTF-8.
        mode: the file's permissions, whatever the umask is. Until they are set, only the owner can read it.
    """
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
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
