"""Append-only files with a size limit: lines that were flushed before a crash are whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.base.names import Json


@dataclass
class Room:
    """Bytes that are left, for one file or several together."""

    left: int


class GrowingFile:
    """A file of lines, readable by its owner only. Lines are in the file after `flush`.

    Args:
        path: the file; its folder must exist, the file must not.
        room: when it is used up, only `last` is written.
        last: the line that says that the file has reached its limit.
        full: called once when that happens.

    Raises:
        OSError: the file cannot be created.
    """

    def __init__(self, path: Path, *, room: Room, last: Callable[[], str], full: Callable[[Path], None]) -> None:
        self.path = path
        self.is_full = False
        self._room = room
        self._last = last
        self._full = full
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="\n")

    def write(self, line: str) -> None:
        """Add a line, if there is room.

        Raises:
            OSError: the disk is full, or the file is gone.
        """
        if self.is_full:
            return
        size = len(line.encode("utf-8", "surrogatepass")) + 1
        if size > self._room.left:
            self.is_full = True
            line = self._last()
            self._full(self.path)
        self._room.left -= size
        self._file.write(line.encode("utf-8", "replace").decode("utf-8") + "\n")

    def flush(self) -> None:
        """Hand the lines to the system: the end of this process does not harm them any more.

        Raises:
            OSError: the disk is full.
        """
        self._file.flush()

    def close(self) -> None:
        """Write the rest, also to the disk, and close.

        Raises:
            OSError: the disk is full.
        """
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())


def line(document: Json) -> str:
    """Return a document as one line of JSON."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
