"""Run a program in a terminal of its own (a PTY), such as a shell in a browser's console."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import selectors
import signal
import struct
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.base import children

_CHUNK = 64 << 10
MOST_INPUT = 1 << 20
"""Bytes that may wait until the program reads them: a long paste."""


class PtyProgram:
    """A program and the terminal that it runs in.

    One thread calls `read`. The other methods can be called from any thread; only `close` waits, for up to a second.

    Args:
        argv: program and arguments.
        env: its whole environment.
        cols: columns of the terminal.
        rows: rows of the terminal.
        cwd: working directory.

    Raises:
        LabError: the program does not exist.
    """

    def __init__(
        self, argv: Sequence[str | Path], *, env: Mapping[str, str], cols: int, rows: int, cwd: Path | None = None
    ) -> None:
        self._guard = threading.Lock()
        self._waiting = bytearray()
        self._closed = False
        self._master, slave = pty.openpty()
        self._wake_reader, self._wake = os.pipe()
        for descriptor in (self._master, self._wake_reader, self._wake):
            os.set_blocking(descriptor, False)
        self._selector = selectors.DefaultSelector()  # not select(): a flood of connections makes numbers above 1023
        for descriptor in (self._master, self._wake_reader):
            self._selector.register(descriptor, selectors.EVENT_READ)
        try:
            _never_stops(slave)
            self.resize(cols, rows)
            self.child = children.start_in_terminal(argv, env=env, terminal=slave, cwd=cwd)
        except BaseException:
            self._release()
            raise
        finally:
            os.close(slave)

    def read(self) -> bytes:
        """Wait for the program's next output, and return it; nothing at its end, or after `close`.

        What waits to be typed is typed meanwhile.
        """
        while not self._closed:
            with self._guard:
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._waiting else 0)
            self._selector.modify(self._master, wanted)
            found = {key.fd: events for key, events in self._selector.select()}
            if self._wake_reader in found:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_reader, _CHUNK)
            if found.get(self._master, 0) & selectors.EVENT_WRITE:
                self._type()
            if found.get(self._master, 0) & selectors.EVENT_READ:
                try:
                    return os.read(self._master, _CHUNK)
                except BlockingIOError:
                    continue
                except OSError:  # EIO: every program of the terminal has ended (Linux)
                    return b""
        return b""

    def write(self, data: bytes, *, drops: bool = False) -> bool:
        """Type keys; return False if so many wait for the program that these are lost.

        Args:
            data: the keys.
            drops: drop what waits, as a terminal does at Ctrl-C (termios(3), ISIG and NOFLSH).
        """
        with self._guard:
            if drops:
                self._waiting.clear()
            if len(self._waiting) + len(data) > MOST_INPUT:
                return False
            self._waiting += data
        self._wake_up()
        return True

    def resize(self, cols: int, rows: int) -> None:
        """Change the terminal's size; the program gets SIGWINCH."""
        with self._guard:
            if not self._closed:
                fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    @property
    def is_busy(self) -> bool:
        """Whether another program than the first one, a shell, has the terminal."""
        try:
            return os.tcgetpgrp(self._master) != self.child.pid
        except OSError:
            return False

    @property
    def reads_lines(self) -> bool:
        """Whether keys wait for Enter before a program gets them, as with most programs that are not full-screen."""
        with self._guard:
            try:
                return not self._closed and bool(termios.tcgetattr(self._master)[3] & termios.ICANON)
            except termios.error:  # its programs have ended
                return False

    def close(self) -> None:
        """End the program, and what runs in the terminal's foreground, and close the terminal."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
        self._wake_up()
        foreground = 0
        with contextlib.suppress(OSError):
            foreground = os.tcgetpgrp(self._master)
        children.hang_up(self.child)
        if foreground > 1 and foreground != self.child.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(foreground, signal.SIGKILL)

    def release(self) -> None:
        """Give the descriptors back, when nothing calls `read` any more."""
        self.close()
        self._release()

    def _release(self) -> None:
        with self._guard:
            self._closed = True
            self._selector.close()
            for descriptor in (self._master, self._wake_reader, self._wake):
                with contextlib.suppress(OSError):
                    os.close(descriptor)
            self._master = self._wake_reader = self._wake = -1

    def _type(self) -> None:
        with self._guard, contextlib.suppress(BlockingIOError, OSError):
            del self._waiting[: os.write(self._master, self._waiting[:1024])]

    def _wake_up(self) -> None:
        with self._guard, contextlib.suppress(OSError):  # full, so that the reader wakes anyway; or released
            os.write(self._wake, b"x")


def _never_stops(terminal: int) -> None:
    """Let Ctrl-S be a key like any other: it would stop the output until somebody presses Ctrl-Q."""
    attributes = termios.tcgetattr(terminal)
    attributes[0] &= ~termios.IXON
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
