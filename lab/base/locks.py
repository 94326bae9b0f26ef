"""Locks between processes: one process at a time holds a file. The lock ends with its process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lab.base import wait
from lab.base.wait import NotYet


@contextmanager
def held(file: Path, *, what: str, wait_s: float, interval_s: float = 0.5) -> Iterator[None]:
    """Hold a lock while the block runs.

    Args:
        file: the lock.
        what: name of the wait, shown while another process holds the lock.
        wait_s: seconds to wait for it.
        interval_s: seconds between two tries.

    Raises:
        WaitTimeout: another process holds it.
        Cancelled: the run was cancelled meanwhile.
    """
    lock = FileLock(file)

    def acquire() -> bool | NotYet:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return NotYet("another process holds it")
        return True

    if acquire() is not True:
        wait.until(what, acquire, timeout_s=wait_s, interval_s=interval_s)
    try:
        yield
    finally:
        lock.release()
