"""The keyboard of a terminal, while something else is shown there."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lab.base import wait


class NoKeyboard:
    """A keyboard that is missing: standard input is not a terminal."""

    present = False

    def wait(self, seconds: float) -> str:
        """Wait, and return no key."""
        wait.pause(seconds)
        return ""


class Keyboard(NoKeyboard):
    """The keys of standard input."""

    present = True

    def wait(self, seconds: float) -> str:
        """Return the next key, or nothing after `seconds`; the end of input is `q`."""
        descriptor = sys.stdin.fileno()
        if not select.select([descriptor], [], [], seconds)[0]:
            return ""
        try:
            found = os.read(descriptor, 16).decode("utf-8", "replace")
        except OSError:  # its window was closed
            found = ""
        return found[:1].lower() or "q"


@contextmanager
def pressed() -> Iterator[NoKeyboard]:
    """Yield the keys of standard input while the block runs: single keys, without an echo."""
    if not (sys.stdin and sys.stdin.isatty()):  # None: closed
        yield NoKeyboard()
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield Keyboard()
    finally:
        with suppress(termios.error):  # its window was closed
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
