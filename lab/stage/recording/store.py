"""Write the files of a recording, each within its share of the size limit, and note when one is full."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lab.base.names import Json
from lab.base.redaction import redact_json
from lab.stage.recording.cast import CastWriter, entry
from lab.stage.recording.events import EventLines, event_line
from lab.stage.recording.journal import GrowingFile, Room, line
from lab.stage.recording.manifest import CAST, CONSOLES, EVENTS, PAGE

_SHARES = {EVENTS: 0.25, PAGE: 0.35, CONSOLES: 0.40}
_NAME = re.compile(r"[a-z0-9][-a-z0-9]{0,80}")
_DEFAULT_SIZE = (100, 30)
_MOST_CONSOLES = 40
_FULL = "the recording has reached its limit; what follows is not in it"
_RESET = b"\x1bc"


@dataclass(kw_only=True)
class RecordingFiles:
    """Writes what it is given; for one thread.

    Args:
        folder: the folder of the recording; it exists.
        began_at: Unix time of its beginning.
        limit: bytes of all files together.
        now_s: seconds since the beginning.
        note: takes a sentence when something is left out from now on.

    Raises:
        OSError: the files cannot be created, or, by every method, the disk is full.
    """

    folder: Path
    began_at: float
    limit: int
    now_s: Callable[[], float]
    note: Callable[[str], None]
    _rooms: dict[str, Room] = field(default_factory=dict)
    _lines: EventLines = field(default_factory=EventLines)
    _casts: dict[str, CastWriter] = field(default_factory=dict)
    _cast_files: list[GrowingFile] = field(default_factory=list)
    _sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._rooms = {name: Room(int(self.limit * share)) for name, share in _SHARES.items()}
        (self.folder / CONSOLES).mkdir(mode=0o700)
        self._events = self._open(EVENTS, EVENTS, lambda: event_line(self.now_s(), "limit", {"words": _FULL}))
        self._page = self._open(PAGE, PAGE, lambda: line({"t": round(self.now_s(), 3), "name": "limit"}))

    def event(self, at_s: float, name: str, data: Json) -> None:
        """Write an event of the stage."""
        for written in self._lines.of(at_s, name, data):
            self._events.write(written)

    def page(self, at_s: float, at: float, upstream: str, name: str, data: Json) -> None:
        """Write an event of the page's stream; `at` is Unix time, which the page's own numbers refer to."""
        times = {"t": round(at_s, 3), "at": round(at, 3)}
        self._page.write(line({**times, "upstream": upstream, "name": name, "data": redact_json(data)}))

    def console(self, at_s: float, name: str, data: bytes) -> None:
        """Write output of a console."""
        cast = self._casts.get(name)
        if cast is None:
            if len(self._casts) >= _MOST_CONSOLES or not _NAME.fullmatch(name):
                return
            cast = self._casts[name] = self._cast(name)
        if name in self._ended:  # another shell with the name of one that was closed
            self._ended.remove(name)
            data = _RESET + data
        cast.output(at_s, data)

    def size(self, at_s: float, name: str, cols: int, rows: int) -> None:
        """Write a new size of a console."""
        self._sizes[name] = (cols, rows)
        if name in self._casts:
            self._casts[name].resize(at_s, cols, rows)

    def console_ended(self, name: str) -> None:
        """Note that a console was closed."""
        self._ended.add(name)

    def mark(self, at_s: float, text: str) -> None:
        """Write a marker into each console."""
        for cast in self._casts.values():
            cast.mark(at_s, text)

    def flush(self, at_s: float, *, all_of_it: bool = False) -> None:
        """Write what was kept back, and hand everything to the system."""
        for written in self._lines.flush():
            self._events.write(written)
        for cast in self._casts.values():
            cast.write(at_s, all_of_it=all_of_it)
        for file in self._all:
            file.flush()

    def close(self) -> None:
        """Close all files, also if the disk is full."""
        problem = None
        for file in self._all:
            try:
                file.close()
            except OSError as error:
                problem = error
        if problem is not None:
            raise problem

    @property
    def _all(self) -> list[GrowingFile]:
        return [self._events, self._page, *self._cast_files]

    def _cast(self, name: str) -> CastWriter:
        path = f"{CONSOLES}/{name}{CAST}"
        file = self._open(path, CONSOLES, lambda: entry(self.now_s(), "m", _FULL))
        self._cast_files.append(file)
        cols, rows = self._sizes.get(name, _DEFAULT_SIZE)
        return CastWriter(file, cols=cols, rows=rows, began_at=self.began_at, title=name)

    def _open(self, path: str, share: str, last: Callable[[], str]) -> GrowingFile:
        return GrowingFile(self.folder / path, room=self._rooms[share], last=last, full=self._note_full)

    def _note_full(self, path: Path) -> None:
        self.note(f"{path.relative_to(self.folder)}: {_FULL}")
