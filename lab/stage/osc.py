"""Read the output of a console's shell: its marks, the questions that programs ask a terminal, and everything else.

The marks are OSC 133 ("semantic prompts") with the console's id, see `lab.shells.start_files`; marks of other programs
are left as they are. A read may end anywhere, also within a sequence: the rest of a sequence is kept for the next one.

Questions (for example "what kind of terminal are you?") must be answered once, also if no browser or three of them
show the console, and never again when a browser gets what was shown before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SEQUENCE = re.compile(
    rb"\x1b\]133;(?P<mark>[A-Z])(?P<rest>[^\x07\x1b]{0,1200})(?:\x07|\x1b\\)"
    rb"|(?P<cursor>\x1b\[\??6n)"
    rb"|(?P<status>\x1b\[5n)"
    rb"|(?P<kind>\x1b\[0?c)"
    rb"|(?P<second>\x1b\[>0?c)"
    # Asked by few programs, which do without an answer: version, third kind, modes, window, colours, capabilities.
    rb"|(?P<other>\x1b\[(?:=0?c|>0?q|\?u|\??\d+\$p|1[1345689]t|2[01]t)"
    rb"|\x1b\](?:1[0-9]|4;\d{1,3});\?(?:\x07|\x1b\\)|\x1bP[+$]q[^\x1b]{0,200}\x1b\\)"
)
_UNFINISHED = re.compile(rb"\x1b(?:\[[?>=]?[0-9;]{0,20}\$?|\][^\x07\x1b]{0,1250}\x1b?|P[^\x1b]{0,250}\x1b?)?\Z")
_OPTION = re.compile(rb";(cwd)=(.*)|;([a-z]+)=([^;]*)", re.DOTALL)
_ANSWERS = {"status": b"\x1b[0n", "kind": b"\x1b[?62;22c", "second": b"\x1b[>1;10;0c"}
"""In order, as a VT220 with colours, and as no particular program."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Bytes for the screen."""

    data: bytes


@dataclass(frozen=True, kw_only=True)
class PromptMark:
    """A prompt is shown now.

    `has_starts` says whether this shell prints a `StartMark` before each command; `cwd` is its working directory.
    """

    has_starts: bool
    cwd: str = ""


@dataclass(frozen=True, kw_only=True)
class StartMark:
    """A command starts now."""


@dataclass(frozen=True, kw_only=True)
class EndMark:
    """A command has ended with an exit status."""

    status: int


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question of a program to its terminal. `answer` is None for the cursor's place, which only a browser knows."""

    data: bytes
    answer: bytes | None


OutputPart = Shown | PromptMark | StartMark | EndMark | Question


class OutputParser:
    """Parses the output of one console; `marks` is the id of its marks."""

    def __init__(self, marks: str) -> None:
        self._marks = marks.encode()
        self._kept = b""

    def feed(self, data: bytes) -> Iterator[OutputPart]:
        """Yield the parts of some more output, in order."""
        data = self._kept + data
        unfinished = _UNFINISHED.search(data)
        end = unfinished.start() if unfinished else len(data)
        self._kept = data[end:]
        at = 0
        for match in _SEQUENCE.finditer(data, 0, end):
            part = self._part(match)
            if part is None:
                continue
            if match.start() > at:
                yield Shown(data=data[at : match.start()])
            at = match.end()
            yield part
        if at < end:
            yield Shown(data=data[at:end])

    def rest(self) -> bytes:
        """Return what was kept, at the end of the output."""
        kept, self._kept = self._kept, b""
        return kept

    def _part(self, match: re.Match[bytes]) -> OutputPart | None:
        """Return a mark or a question; None for a mark of another program."""
        if match["mark"] is None:
            return Question(data=match[0], answer=_ANSWERS.get(match.lastgroup or "", None if match["cursor"] else b""))
        options = {one[0] or one[2]: one[1] or one[3] for one in _OPTION.findall(match["rest"])}
        if options.get(b"aid") != self._marks:
            return None
        match match["mark"]:
            case b"A":
                cwd = options.get(b"cwd", b"").decode(errors="replace")
                return PromptMark(has_starts=options.get(b"c") == b"1", cwd=cwd)
            case b"C":
                return StartMark()
            case b"D":
                status = match["rest"].split(b";")[1:2]
                return EndMark(status=int(status[0]) if status and status[0].isdigit() else 1)
        return None


# Answers that a browser's terminal gives; only that of the cursor's place can reach the console, once.
_CURSOR_ANSWER = re.compile(r"\x1b\[\??\d{1,4};\d{1,4}R")


def without_answers(keys: str) -> str:
    """Return what a person typed, without a terminal's answers."""
    return _CURSOR_ANSWER.sub("", keys)
