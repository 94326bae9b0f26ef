"""A command that a step typed into a console: its output, line by line, and its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from lab.stage.plain_lines import LineReader

_log = logging.getLogger(__name__)
_MOST_LINES = 2000
"""Lines of a command that are told and kept; of more, only the last ones are kept."""


class TypedCommand:
    """A command that a step typed into a console. `ended` is set when the next prompt is shown, or the shell ended."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self.ended = threading.Event()
        self.status: int | None = None
        """Its exit status; None if it is unknown, because the shell has ended or did not accept the line."""
        self.lines: list[str] = []
        self.entered = False
        """Enter was pressed, and the command has not ended."""
        self.interrupted = False
        """The stage has pressed Ctrl-C, which the terminal shows as ^C."""
        self._on_line = on_line
        self._reader = LineReader()
        self._told = 0
        self._untold: list[str] = []
        self._reading = False

    @property
    def output(self) -> str:
        """Everything that it printed."""
        return "\n".join(self.lines)

    def show(self, data: bytes, *, has_starts: bool) -> None:
        """Take bytes that the console shows after Enter."""
        if not self.entered:
            return
        if not self._reading:
            if has_starts:
                return
            _, line_break, data = data.partition(b"\n")  # the end of the line that was typed
            if not line_break:
                return
            self._reading = True
        for line in self._reader.feed(data):
            self._add(line)

    def start(self) -> None:
        """The shell starts the command: its output begins."""
        self._reading = self.entered

    def end(self, status: int) -> None:
        """The command has ended: its output is complete."""
        if not self.entered:
            return
        if self._reading and (rest := self._reader.rest()):
            self._add(rest)
        self._reading, self._reader = False, LineReader()
        self.entered, self.status = False, status

    def tell(self) -> None:
        """Tell the lines that are new; called without the console's lock."""
        untold, self._untold = self._untold, []
        for line in untold:
            try:
                self._on_line(line)
            except Exception:  # a listener's error must not stop the console
                _log.exception("a line of a console could not be told")

    def _add(self, line: str) -> None:
        if self.interrupted and line.startswith("^C"):
            self.interrupted = False
            line = line.removeprefix("^C")
            if not line:
                return
        self.lines.append(line)
        del self.lines[:-_MOST_LINES]
        self._told += 1
        if self._told <= _MOST_LINES:
            self._untold.append(line)
