from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.base.files import write_atomic


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_content_and_permissions_are_as_asked_for(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "secret", "ü\n")
        write_atomic(tmp_path / "program", b"\x00", mode=0o755)
    finally:
        os.umask(before)
    assert (tmp_path / "secret").read_text(encoding="utf-8") == "ü\n"
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "program").stat().st_mode & 0o777 == 0o755


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    write_atomic(file, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
