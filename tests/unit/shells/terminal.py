"""A terminal for a program, as a person has it."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab.base import wait
from lab.base.wait import NotYet


@dataclass
class Terminal:
    """A program and the screen that it writes to."""

    child: subprocess.Popen[bytes]
    master: int
    screen: str = field(default="")

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def see(self, text: str, *, timeout_s: float = 20) -> str:
        """Wait for a text, and return the screen up to its end; what comes after is left for the next wait."""

        def look() -> str | NotYet:
            self._read()
            before, found, self_after = self.screen.partition(text)
            if not found:
                return NotYet(repr(self.screen[-1500:]))
            self.screen = self_after
            return before + found

        return wait.until(f"{text!r} on the screen", look, timeout_s=timeout_s, interval_s=0.05)

    def ended(self) -> int:
        def look() -> bool | NotYet:
            self._read()
            return True if self.child.poll() is not None else NotYet(repr(self.screen[-1500:]))

        wait.until("the program to end", look, timeout_s=20, interval_s=0.05)
        self._read()
        return int(self.child.returncode)

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self.master, 65536)
            except (BlockingIOError, OSError):
                return
            if not part:
                return
            self.screen += part.decode(errors="replace")
            if "\x1b[c" in self.screen:  # fish asks the terminal for its kind, and waits for the answer
                self.screen = self.screen.replace("\x1b[c", "")
                self.type("\x1b[?6c")


@contextmanager
def terminal(argv: Sequence[str], env: Mapping[str, str]) -> Iterator[Terminal]:
    """Run a program in the foreground of a terminal of its own, and kill it after the block."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    child = subprocess.Popen(
        argv,
        env=dict(env),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - one thread
    )
    os.close(slave)
    try:
        yield Terminal(child, master)
    finally:
        child.kill()
        child.wait()
        os.close(master)
