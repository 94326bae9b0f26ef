"""One key at a time from a terminal."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable

_ESCAPE_WAIT_S = 0.05
_ARROWS = {"\x1b[C": "right", "\x1b[D": "left", "\x1b[6~": "right", "\x1b[5~": "left"}
"""Arrows, and the page keys that presenters' remotes send."""
_NAMES = {"\r": "enter", "\n": "enter", " ": "space", "\x1b": "escape", "\x7f": "left", "": "q"}

ReadKey = Callable[[], str]
"""Waits for a key and returns its name: a letter, or enter, space, left, right, escape."""


def read_key() -> str:
    """Wait for one key of the terminal. The end of input is `q`; Ctrl-C interrupts as ever."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        key = os.read(descriptor, 1).decode("utf-8", "replace")
        if key == "\x1b" and select.select([descriptor], [], [], _ESCAPE_WAIT_S)[0]:
            key += os.read(descriptor, 8).decode("utf-8", "replace")
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
    return _ARROWS.get(key) or _NAMES.get(key) or key.lower()
