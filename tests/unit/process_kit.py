"""What tests of processes have in common."""

from __future__ import annotations

import psutil

from lab.base import wait
from lab.base.wait import NotYet


def runs(one: psutil.Process | int) -> bool:
    """Return whether a process, or the process with an id, still runs. A zombie has ended."""
    try:
        found = psutil.Process(one) if isinstance(one, int) else one
        return found.is_running() and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for_end(*processes: psutil.Process | int, within_s: float) -> None:
    """Wait until processes have ended.

    Raises:
        WaitTimeout: some still run; the error names them.
    """

    def ended() -> bool | NotYet:
        left = [one for one in processes if runs(one)]
        return not left or NotYet(f"still running: {left}")

    wait.until("the end of the processes", ended, timeout_s=within_s, interval_s=0.05)
