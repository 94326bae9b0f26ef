"""End the commands of a lab that was killed with -9: it gets no chance to end them itself.

A small shell program, the warden, waits at a pipe that only the lab can write. The lab tells it which commands run.
When the pipe closes while some still run, the lab was killed: the warden ends them, with all that they started. Pipes
close on every system; the kernel's signal for a parent's death exists on Linux only, and does not reach grandchildren.
"""

from __future__ import annotations

import contextlib
import os

GRACE_S = 5
"""How long a command may take to end after its signal, before it is killed."""

# POSIX's own words, so that every /bin/sh runs it. A line is `+ SIGNAL TARGET` or `- TARGET`; a target with a minus is
# a process group. The signals of the terminal are for the lab.
WARDEN = """
trap '' HUP INT TERM
running=
while read -r what first second; do
    if [ "$what" = + ]; then
        running="$running $first:$second"
    else
        left=
        for one in $running; do [ "${one#*:}" = "$first" ] || left="$left $one"; done
        running=$left
    fi
done
for one in $running; do kill -s "${one%%:*}" -- "${one#*:}"; done
grace=$1
while [ "$grace" -gt 0 ]; do
    left=
    for one in $running; do kill -s 0 -- "${one#*:}" && left="$left $one"; done
    [ -n "$left" ] || exit 0
    sleep 1
    grace=$((grace - 1))
done
for one in $left; do kill -s KILL -- "${one#*:}"; done
"""


class Warden:
    """Tells the warden what runs.

    Args:
        pipe: file descriptor of the warden's standard input.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def watch_group(self, group: int) -> None:
        """Have a process group end with the lab, by SIGTERM."""
        self._tell(f"+ TERM -{group}")

    def forget_group(self, group: int) -> None:
        """Forget a process group that has ended: its number may be given to another one."""
        self._tell(f"- -{group}")

    def watch_program(self, pid: int) -> None:
        """Have a program that has the terminal end with the lab, by SIGHUP, as when the terminal is closed."""
        self._tell(f"+ HUP {pid}")

    def forget_program(self, pid: int) -> None:
        """Forget a program that has ended."""
        self._tell(f"- {pid}")

    def _tell(self, line: str) -> None:
        with contextlib.suppress(OSError):  # somebody has killed the warden
            os.write(self._pipe, f"{line}\n".encode())  # whole, whatever other threads write: it is short (pipe(7))
