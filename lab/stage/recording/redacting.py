"""Remove private keys and tokens from the output of terminals, also in pieces and between control sequences."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lab.base.redaction import REDACTED, redact

HOLD_S = 2.0
"""How long a line that does not end is kept back: a token that is printed in pieces is seen as a whole."""
_MOST_HELD = 64 << 10
"""Characters that are kept back; more are let go, line by line."""
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_ENDS = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")
_MOST_KEY = 16 << 10
"""Characters of a key without an end: what follows is not a key."""
# Colours and movements; titles and marks of shells; and the blank with which readline breaks a line at the margin.
_CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_()=>78]|[ ]\r(?!\n)")

Timed = tuple[float, str]
"""Seconds since the recording began, and text."""


@dataclass
class KeyLines:
    """Removes private keys from text that comes piece by piece, such as lines."""

    _inside: bool = False
    _left: int = 0

    def clean(self, text: str) -> str:
        """Return a line, or several, without keys and tokens."""
        hidden, rest = self.cut(text)
        return hidden + redact(rest)

    def cut(self, text: str) -> tuple[str, str]:
        """Return what replaces the rest of a key that began before, and the text behind it."""
        hidden = ""
        if self._inside:
            hidden, end = REDACTED, _KEY_ENDS.search(text)
            self._left -= len(text)
            if end is None and self._left > 0:
                return hidden, ""
            self._inside = False
            hidden, text = (hidden, text[end.end() :]) if end else ("", text)
        begins = list(_KEY_BEGINS.finditer(text))
        if begins and not _KEY_ENDS.search(text, begins[-1].end()):
            self._inside, self._left = True, _MOST_KEY
        return hidden, text


@dataclass
class HeldOutput:
    """The output of a terminal, kept back until no secret can span what is let go.

    Each piece keeps its own time. Only where a secret was found, the pieces become one: with `[redacted]` in its place,
    and without control sequences if these were in the middle of it.
    """

    _held: list[Timed] = field(default_factory=list)
    _keys: KeyLines = field(default_factory=KeyLines)

    @property
    def since_s(self) -> float | None:
        """The time of the first output that is kept back; None if there is none."""
        return self._held[0][0] if self._held else None

    def take(self, at_s: float, text: str) -> None:
        """Add output."""
        if text:
            self._held.append((at_s, text))

    def let_go(self, now_s: float, *, all_of_it: bool = False) -> list[Timed]:
        """Return what can be written now: whole lines, what is older than HOLD_S, or all."""
        text = "".join(piece for _, piece in self._held)
        old = bool(self._held) and now_s - self._held[-1][0] >= HOLD_S
        end = len(text) if all_of_it or old or len(text) > _MOST_HELD else text.rfind("\n") + 1
        if end == 0:
            return []
        parts = self._cut(end)
        joined = text[:end]
        cleaned = self._cleaned(joined)
        return parts if cleaned == joined else [(parts[0][0], cleaned)]

    def _cut(self, end: int) -> list[Timed]:
        """Remove the first `end` characters from what is held, and return them in their pieces."""
        parts: list[Timed] = []
        while end > 0:
            at_s, piece = self._held.pop(0)
            parts.append((at_s, piece[:end]))
            if len(piece) > end:
                self._held.insert(0, (at_s, piece[end:]))
            end -= len(piece)
        return parts

    def _cleaned(self, text: str) -> str:
        hidden, rest = self._keys.cut(text)
        cleaned, plain = redact(rest), redact(_CONTROLS.sub("", rest))
        # What is only found without control sequences, or found longer, has them in the middle of it.
        return hidden + (cleaned if _CONTROLS.sub("", cleaned) == plain else plain)
