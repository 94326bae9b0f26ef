"""Consoles as asciicast v2 (https://docs.asciinema.org/manual/asciicast/v2/), which `asciinema play` also plays.

Times are seconds since the recording of the stage began, so that all consoles run together.
"""

from __future__ import annotations

import codecs

from lab.stage.recording.journal import GrowingFile, line
from lab.stage.recording.redacting import HeldOutput

MOST_PER_S = 256 << 10
"""Characters of one console in a second. Of more, only the end is kept: nobody can read so fast."""
_KEPT_OF_FLOOD = 32 << 10
_IDLE_S = 3.0
"""The longest pause in other players."""


def header(*, cols: int, rows: int, began_at: float, title: str) -> str:
    """Return the first line of a cast."""
    facts = {"version": 2, "width": cols, "height": rows, "timestamp": int(began_at), "idle_time_limit": _IDLE_S}
    return line({**facts, "title": title, "env": {"TERM": "xterm-256color"}})


def entry(at_s: float, kind: str, data: str) -> str:
    """Return one event of a cast: output (`o`), a new size (`r`), a marker (`m`)."""
    return line([round(at_s, 3), kind, data])


class CastWriter:
    """Writes one console: decodes its bytes, removes secrets, and leaves out the middle of a flood.

    Output is written some time after it came, with its own time.
    """

    def __init__(self, file: GrowingFile, *, cols: int, rows: int, began_at: float, title: str) -> None:
        self._file = file
        self._size = (cols, rows)
        self._held = HeldOutput()
        self._waiting: list[tuple[float, str]] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._second, self._count = -1, 0
        self._flood, self._left_out = "", 0
        file.write(header(cols=cols, rows=rows, began_at=began_at, title=title))

    def output(self, at_s: float, data: bytes) -> None:
        """Take bytes that the console showed."""
        text = self._decoder.decode(data)
        if int(at_s) != self._second:
            self._end_of_flood(float(self._second + 1))
            self._second, self._count = int(at_s), 0
        self._count += len(text)
        if self._count <= MOST_PER_S:
            self._held.take(at_s, text)
            return
        whole = self._flood + text
        self._flood = whole[-_KEPT_OF_FLOOD:]
        self._left_out += len(whole) - len(self._flood)

    def resize(self, at_s: float, cols: int, rows: int) -> None:
        """Take a new size."""
        if (cols, rows) != self._size:
            self._size = (cols, rows)
            self._waiting.append((at_s, entry(at_s, "r", f"{cols}x{rows}")))

    def mark(self, at_s: float, text: str) -> None:
        """Take a marker: a place to jump to."""
        self._waiting.append((at_s, entry(at_s, "m", text)))

    def write(self, now_s: float, *, all_of_it: bool = False) -> None:
        """Write what is complete, or all that is there, in the order of time.

        Raises:
            OSError: the disk is full.
        """
        if all_of_it or int(now_s) != self._second:
            self._end_of_flood(min(now_s, float(self._second + 1)))
        if all_of_it and (rest := self._decoder.decode(b"", final=True)):
            self._held.take(now_s, rest)
        for at_s, text in self._held.let_go(now_s, all_of_it=all_of_it):
            self._write_waiting(at_s)
            self._file.write(entry(at_s, "o", text))
        self._write_waiting(now_s if self._held.since_s is None else self._held.since_s)

    def _write_waiting(self, until_s: float) -> None:
        while self._waiting and self._waiting[0][0] <= until_s:
            self._file.write(self._waiting.pop(0)[1])

    def _end_of_flood(self, at_s: float) -> None:
        """Keep the end of what was too much, from the beginning of a line."""
        if not self._flood:
            return
        flood, left_out = self._flood, self._left_out
        self._flood, self._left_out = "", 0
        if left_out:
            line_end = flood.find("\n") + 1
            left_out += line_end
            flood = f"\r\n[{left_out >> 10} KiB are left out of the recording]\r\n{flood[line_end:]}"
        self._held.take(at_s, flood)
