"""A console of a recording: what it showed until a moment, and what comes next."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.stage.parts import Viewer
from lab.stage.recording.tape import ConsoleEvent, ConsoleTape
from lab.stage.viewers import CLEAR, SHOWN_BEFORE, Viewers


@dataclass(kw_only=True)
class ReplayConsole:
    """A `ConsoleFeed` that takes no keys. `at_s` is the time until which it was shown."""

    tape: ConsoleTape
    at_s: float = 0.0
    _viewers: Viewers = field(default_factory=Viewers)
    _guard: threading.RLock = field(default_factory=threading.RLock)

    def attach(self, viewer: Viewer) -> bytes:
        """Add a viewer, and return what the console showed last."""
        with self._guard:
            self._viewers.add(viewer, self.size)
            return self.shown.encode()

    def detach(self, viewer: Viewer) -> None:
        """Remove a viewer."""
        with self._guard:
            self._viewers.remove(viewer)

    def input(self, viewer: Viewer, keys: str) -> None:
        """Ignore keys: a recording cannot answer."""

    def resize(self, viewer: Viewer, cols: int, rows: int) -> None:
        """Ignore sizes: the recording has its own."""

    @property
    def shown(self) -> str:
        """What brings a terminal to the state of this moment."""
        return CLEAR + last_output(self.tape.timeline.between(-1.0, self.at_s))

    @property
    def size(self) -> tuple[int, int]:
        """The size of the terminal at this moment, in columns and rows."""
        return size_at(self.tape, self.at_s)

    def advance(self, at_s: float) -> None:
        """Show what came until a later time."""
        with self._guard:
            events = self.tape.timeline.between(self.at_s, at_s)
            self.at_s = at_s
            if any(event.kind == "r" for event in events):
                self._viewers.resize(self.size)
            self._show("".join(event.data for event in events if event.kind == "o"))

    def jump(self, at_s: float) -> None:
        """Show the state of another time."""
        with self._guard:
            self.at_s = at_s
            self._viewers.resize(self.size)
            self._show(self.shown)

    def close(self) -> None:
        """End all viewers."""
        with self._guard:
            self._viewers.end()

    def _show(self, text: str) -> None:
        if text:
            self._viewers.show(text.encode("utf-8", "replace"))


def last_output(events: Sequence[ConsoleEvent]) -> str:
    """Return the end of the output of events, from the beginning of a line if something is left out."""
    parts: list[str] = []
    size = 0
    for event in reversed(events):
        if event.kind == "o":
            parts.append(event.data)
            size += len(event.data)
            if size > SHOWN_BEFORE:
                break
    text = "".join(reversed(parts))
    if len(text) <= SHOWN_BEFORE:
        return text
    text = text[-SHOWN_BEFORE:]
    return text[text.find("\n", 0, 4096) + 1 :]


def size_at(tape: ConsoleTape, at_s: float) -> tuple[int, int]:
    """Return the size of a console at a time, in columns and rows."""
    size = tape.size
    for event in tape.timeline.between(-1.0, at_s):
        if event.kind == "r":
            cols, _, rows = event.data.partition("x")
            size = (int(cols), int(rows))
    return size
