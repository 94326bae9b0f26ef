"""Archives: fixed times, modes and owners, so that the same folder is the same file everywhere."""

from __future__ import annotations

import io
import tarfile
import zipfile

from lab.initialize import archive
from lab.initialize.folder import RECORD, with_record

FILES = {"README.md": "read ä\n", "base/a/a.yaml": "a: 1\n"}


def test_a_zip_has_fixed_times_and_modes() -> None:
    packed = archive.as_zip("mine", FILES)
    assert packed == archive.as_zip("mine", dict(FILES))
    with zipfile.ZipFile(io.BytesIO(packed)) as found:
        assert found.testzip() is None
        assert set(found.namelist()) == {f"mine/{path}" for path in (*FILES, RECORD)}
        for entry in found.infolist():
            assert (entry.date_time, entry.external_attr >> 16) == ((1980, 1, 1, 0, 0, 0), 0o100644)
            assert found.read(entry).decode() == with_record(FILES)[entry.filename.removeprefix("mine/")]


def test_a_tar_has_no_time_and_no_owner() -> None:
    packed = archive.as_tar_gz("mine", FILES)
    assert packed[4:8] == b"\0\0\0\0"  # the time in gzip's header
    assert packed == archive.as_tar_gz("mine", dict(FILES))
    with tarfile.open(fileobj=io.BytesIO(packed)) as found:
        for entry in found.getmembers():
            assert (entry.mtime, entry.mode, entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0o644, 0, 0, "", "")
        assert {entry.name for entry in found.getmembers()} == {f"mine/{path}" for path in (*FILES, RECORD)}
