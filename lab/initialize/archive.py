"""The folder as one file: the same files give the same bytes, without a time, an owner or a name of this machine."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping

from lab.initialize.folder import with_record

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip file can have."""
_MODE = 0o644
_REGULAR = 0o100000


def as_zip(folder: str, files: Mapping[str, str]) -> bytes:
    """Return a zip file with a folder, as `lab initialize` writes it.

    It is not compressed: compressed bytes differ between versions of zlib.
    """
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression=zipfile.ZIP_STORED) as archive:
        for path, text in with_record(files).items():
            entry = zipfile.ZipInfo(f"{folder}/{path}", date_time=_ZIP_TIME)
            entry.create_system = 3  # Unix, also on Windows
            entry.external_attr = (_REGULAR | _MODE) << 16
            archive.writestr(entry, text.encode())
    return made.getvalue()


def as_tar_gz(folder: str, files: Mapping[str, str]) -> bytes:
    """Return a tar.gz with a folder.

    The bytes of the tar are always the same; the compressed ones are those of this Python's zlib.
    """
    made = io.BytesIO()
    # No file name and no time in gzip's header.
    with (
        gzip.GzipFile(filename="", fileobj=made, mode="wb", compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        add_files(archive, {f"{folder}/{path}": text for path, text in with_record(files).items()})
    return made.getvalue()


def add_files(archive: tarfile.TarFile, files: Mapping[str, str]) -> None:
    """Add files to a tar, without a time or an owner."""
    for path, text in files.items():
        data = text.encode()
        entry = tarfile.TarInfo(path)
        entry.size, entry.mode = len(data), _MODE
        archive.addfile(entry, io.BytesIO(data))
