"""Real shells in pseudo-terminals, in which every program prints what it printed in a real run.

The shell is bash without programs: bash itself calls `command_not_found_handle` for each of them, and that prints the
recorded output of the step.
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Callable
from pathlib import Path

REPLAYED = 128 * 1024
_PROMPT = b"\x1b]133;D"
_RC = """
PATH={empty}
PS1='\\[\\e]133;A\\e\\\\\\]\\[\\e[1m\\]{cluster}\\[\\e[0m\\] $ '
PROMPT_COMMAND='printf "\\033]133;D;%s\\033\\\\" "$?"'
HISTFILE=
command_not_found_handle() {{
  [ -s {output} ] && printf '%s\\n' "$(<{output})" && : > {output}
  return 0
}}
"""


class Shell:
    """One shell of a cluster; `listeners` get what it prints, in the order of their arrival."""

    def __init__(self, cluster: str, folder: Path) -> None:
        self.cluster = cluster
        folder.mkdir(parents=True)
        (folder / "empty").mkdir()
        self._output = folder / "output"
        self._output.write_text("")
        rc = folder / "rc"
        rc.write_text(_RC.format(empty=folder / "empty", cluster=cluster, output=self._output))
        self._master, slave = pty.openpty()
        self.resize(80, 20)
        self._child = subprocess.Popen(
            ["/bin/bash", "--noprofile", "--rcfile", str(rc), "-i"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env={"TERM": "xterm-256color", "HOME": str(folder), "LANG": "C.UTF-8"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.seen = b""
        self._prompts = 0
        self._changed = threading.Condition()
        self.listeners: list[Callable[[bytes], None]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._wait_for_prompt(1)

    def resize(self, cols: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.size = (cols, rows)

    def write(self, text: str) -> None:
        os.write(self._master, text.encode())

    def type(self, line: str, printed: str) -> None:
        """Type a line and wait for the next prompt; its programs print `printed`."""
        self._output.write_text(printed)
        with self._changed:
            wanted = self._prompts + 1
        self.write(f"{line}\n")
        self._wait_for_prompt(wanted)

    def listen(self, listener: Callable[[bytes], None]) -> bytes:
        """Add a listener, and return what was printed before."""
        with self._changed:
            self.listeners.append(listener)
            return self.seen[-REPLAYED:]

    def close(self) -> None:
        os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._reader.join()
        os.close(self._master)

    def _wait_for_prompt(self, number: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._prompts >= number, timeout=60), self.seen[-500:]

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the shell has ended
                return
            with self._changed:
                self.seen += data
                self._prompts = self.seen.count(_PROMPT)
                self._changed.notify_all()
                for listener in list(self.listeners):
                    listener(data)
