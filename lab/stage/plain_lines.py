"""Turn what a program printed on a terminal into lines of plain text, as a person would read them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

_ESCAPE = re.compile(
    r"\x1b\[(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b[PX^_][^\x1b]*\x1b\\"
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b[0-~]"
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?\Z")
MOST_LETTERS = 10_000
"""Letters of one line; the rest is lost."""


class _ScreenLine:
    """One line of a terminal, with a place where the next letter is written."""

    def __init__(self) -> None:
        self._letters: list[str] = []
        self._at = 0

    def write(self, letter: str) -> None:
        if self._at >= MOST_LETTERS:
            return
        if self._at > len(self._letters):
            self._letters += " " * (self._at - len(self._letters))
        self._letters[self._at : self._at + 1] = [letter]
        self._at += 1

    def control(self, letter: str) -> None:
        match letter:
            case "\r":
                self._at = 0
            case "\b":
                self._at = max(0, self._at - 1)
            case "\t":
                self.write("\t")

    def escape(self, final: str, parameter: int) -> None:
        match final:
            case "K" if parameter == 0:
                del self._letters[self._at :]
            case "K" if parameter == 1:
                self._letters[: self._at] = " " * min(self._at, len(self._letters))
            case "K":
                self._letters.clear()
            case "G":
                self._at = min(MOST_LETTERS, max(0, parameter - 1))
            case "C":
                self._at = min(MOST_LETTERS, self._at + max(1, parameter))
            case "D":
                self._at = max(0, self._at - max(1, parameter))

    def text(self) -> str:
        return "".join(self._letters).rstrip()


class LineReader:
    """Reads lines from the output of one command; a read may end anywhere."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._kept = ""
        self._line = _ScreenLine()

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the lines that are complete now."""
        text = self._kept + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text)
        end = unfinished.start() if unfinished and len(text) - unfinished.start() < MOST_LETTERS else len(text)
        self._kept = text[end:]
        yield from self._read(text[:end])

    def rest(self) -> str:
        """Return the last line, which has no line break; empty if there is none."""
        return self._line.text()

    def _read(self, text: str) -> Iterator[str]:
        at = 0
        while at < len(text):
            letter = text[at]
            if letter == "\x1b" and (match := _ESCAPE.match(text, at)):
                if match["final"]:
                    first = match["parameters"].split(";")[0][:4]
                    self._line.escape(match["final"], int(first) if first.isdigit() else 0)
                at = match.end()
                continue
            at += 1
            if letter == "\n":
                yield self._line.text()
                self._line = _ScreenLine()
            elif letter >= " " and letter != "\x7f":
                self._line.write(letter)
            else:
                self._line.control(letter)
