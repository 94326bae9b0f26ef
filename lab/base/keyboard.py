"""The keys of a terminal, one at a time: `lab walk` waits for each, `lab watch` draws until one comes."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from lab.base import wait

_ESCAPE_WAIT_S = 0.05
_ARROWS = {"\x1b[C": "right", "\x1b[D": "left", "\x1b[6~": "right", "\x1b[5~": "left"}
"""Arrows, and the page keys that presenters' remotes send."""
_NAMES = {"\r": "enter", "\n": "enter", " ": "space", "\x1b": "escape", "\x7f": "left", "": "q"}

ReadKey = Callable[[], str]
"""Waits for a key and returns its name: a letter, or enter, space, left, right, escape."""


def read_key() -> str:
    """Wait for one key of the terminal. The end of input is `q`; Ctrl-C interrupts as ever.

    What was typed before, while something ran, is dropped.
    """
    with _single_keys():
        return _next_key(None)


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
        """Return the next key, as `read_key` names it, or nothing after `seconds`."""
        return _next_key(seconds)


@contextmanager
def pressed() -> Iterator[NoKeyboard]:
    """Yield the keys of standard input while the block runs: single keys, without an echo."""
    if not (sys.stdin and sys.stdin.isatty()):  # None: closed
        yield NoKeyboard()
        return
    with _single_keys():
        yield Keyboard()


@contextmanager
def _single_keys() -> Iterator[None]:
    """Read keys without Enter and without an echo while the block runs."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield
    finally:
        with suppress(termios.error):  # its window was closed
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _next_key(seconds: float | None) -> str:
    """Return the next key; nothing after `seconds`, or without a limit if it is None."""
    descriptor = sys.stdin.fileno()
    if not select.select([descriptor], [], [], seconds)[0]:
        return ""
    try:
        key = os.read(descriptor, 1).decode("utf-8", "replace")
        if key == "\x1b" and select.select([descriptor], [], [], _ESCAPE_WAIT_S)[0]:
            key += os.read(descriptor, 8).decode("utf-8", "replace")
    except OSError:  # its window was closed
        key = ""
    return _ARROWS.get(key) or _NAMES.get(key) or key.lower()
