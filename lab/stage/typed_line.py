"""Track a console's command line: whether a prompt is shown, and whether a person has begun to type.

The shell keeps the text of the line to itself. So the keys are counted; after keys that may bring back an earlier
command or move, the line counts as not empty until a command has ended or Ctrl-C or Ctrl-U was pressed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

_DELETES_ALL = ("\x03", "\x15")
_KEY = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO.|\x1b.|.", re.DOTALL)
_CHANGES_NOTHING = re.compile(r"\x1b\[[IO]|\x0c")
"""The window got or lost the focus; Ctrl-L."""
_UNKNOWN = 1 << 30
_NEW_PROMPT_S = 1.0
"""How long after Ctrl-C a shell may take to show its next prompt; keys before that can be lost. fish shows none."""


@dataclass(kw_only=True)
class TypedLine:
    """The command line of one shell. `has_starts`: the shell tells when a command starts."""

    has_starts: bool = False
    clock: Callable[[], float] = time.monotonic
    _at_prompt: bool = False
    _letters: int = 0
    _settled_s: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether a prompt with an empty line is shown."""
        return self._at_prompt and self._letters == 0

    @property
    def is_ready(self) -> bool:
        """Whether a line can be typed now."""
        return self.is_empty and self.clock() >= self._settled_s

    def prompt(self, *, has_starts: bool) -> None:
        """Note that a prompt is shown; a shell also shows it again, with the same line, after a change of size."""
        self.has_starts = has_starts
        self._at_prompt = True
        self._settled_s = 0.0

    def start(self) -> None:
        """Note that a command starts."""
        self._at_prompt = False
        self._letters = 0

    def end(self) -> None:
        """Note that a command has ended. The next line has what was typed while the command ran."""
        if self._at_prompt:  # nothing ran: the line was given up, or was not valid
            self._letters = 0
        self._at_prompt = False

    def type(self, keys: str, *, kept: bool = True) -> None:
        """Note keys.

        Args:
            keys: the keys.
            kept: while a command runs: whether the terminal keeps them for the next line, unless the command reads it.
        """
        if not (self._at_prompt or kept):
            return
        for key in _KEY.findall(keys):
            if key in _DELETES_ALL:
                self._letters = 0
                if key == "\x03" and self._at_prompt:
                    self._settled_s = self.clock() + _NEW_PROMPT_S
            elif key in {"\x7f", "\b"}:
                self._letters = max(0, self._letters - 1)
            elif key in {"\r", "\n"}:
                if not (self._at_prompt and self.has_starts):
                    self._at_prompt = False
                    self._letters = 0
                elif self._letters:  # it starts, or continues on the next line
                    self._letters = _UNKNOWN
            elif len(key) > 1 or key < " ":
                self._letters = self._letters if _CHANGES_NOTHING.fullmatch(key) else _UNKNOWN
            else:
                self._letters += 1
