"""Check the free space of disks before much is written to them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from lab.base.errors import HostError


def check(needs: Mapping[Path, int]) -> None:
    """Check that each folder's disk has room for the bytes that it needs; folders on one disk count together.

    Raises:
        HostError: a disk has too little free space.
    """
    disks: dict[int, list[tuple[Path, int]]] = {}
    for folder, size in needs.items():
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        disks.setdefault(existing.stat().st_dev, []).append((existing, size))
    for folders in disks.values():
        needed, free = sum(size for _, size in folders), shutil.disk_usage(folders[0][0]).free
        if free < needed:
            raise HostError(
                f"{mib(needed)} of free disk space are needed, and {free >> 20} MiB are free",
                where=" and ".join(str(folder) for folder, _ in folders),
                next="free some disk space (`lab artifacts clean`, `docker system df`), then run the command again",
            )


def mib(size: int) -> str:
    """Return a size in MiB, rounded up."""
    return f"{-(-size // 2**20)} MiB"
