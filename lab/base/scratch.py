"""Folders for the time of a block, whose leftovers the next process deletes: a killed process cannot."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """Make a folder inside of `parent`, and delete it after the block.

    Args:
        parent: the folder for them, with nothing else in it; it is created if its own folder exists.
    """
    parent.mkdir(mode=0o700, exist_ok=True)
    _remove_left(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}.", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a command in the block may have deleted it already


def _remove_left(parent: Path) -> None:
    """Delete the folders of processes that have ended."""
    for folder in parent.iterdir():
        try:
            os.kill(int(folder.name.partition(".")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (PermissionError, ValueError, OverflowError):  # another user's process, or not a number
            continue
