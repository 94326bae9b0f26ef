"""Lock a lab for one command; the error of a second command names the first one."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from lab.base import locks
from lab.base.errors import LockedError, WaitTimeout
from lab.base.paths import Paths

_PASSED_ON = "LAB_LOCK_HELD_BY"
"""The process that holds the lock, for the `lab` commands that it starts: they work on the lab for it."""
_PRESENTERS = ("lab stage", "lab walk")
"""Commands that last until a person ends them."""
_WAIT = "wait for it to end"


def passed_on(paths: Paths) -> dict[str, str]:
    """Return the variable with which this process, which holds the lock, starts `lab` commands that work for it."""
    return {_PASSED_ON: f"{os.getpid()}:{paths.lock}"}


@contextmanager
def held(paths: Paths, command: str, *, wait_s: float = 0, alone: bool = False) -> Iterator[None]:
    """Hold the lab's lock while the block runs. The lock ends with its process, also if the process is killed.

    A block that writes no state leaves no state folder: with nothing but the lock in it, the folder is deleted.

    Args:
        paths: paths of the lab.
        command: the command that runs, for the error of a second one.
        wait_s: seconds to wait for the lock.
        alone: also refuse a command that the holder has started: a second presenter, or one that undoes its steps or
            deletes the lab.

    Raises:
        LockedError: another process holds it; the error names its command, process id and start time.
    """
    paths.ensure_state()
    holder = paths.lock_holder
    with ExitStack() as stack:
        try:
            wait_s = 0 if not alone and _held_for_us(paths) else wait_s
            stack.enter_context(locks.held(paths.lock, what="the lab's lock", wait_s=wait_s))
        except WaitTimeout as error:
            if alone or not _held_for_us(paths):
                raise _refusal(holder.read_text() if holder.exists() else "") from error
        else:
            stack.callback(_remove_empty, paths)
            stack.callback(holder.unlink, missing_ok=True)
            holder.write_text(json.dumps({"command": command, "pid": os.getpid(), "since": time.time()}))
        yield


def _held_for_us(paths: Paths) -> bool:
    """Return whether the last holder of the lock started this process, to work for it."""
    pid, _, file = os.environ.get(_PASSED_ON, "").partition(":")
    if file != str(paths.lock) or not pid.isdigit():
        return False
    try:
        holder = json.loads(paths.lock_holder.read_text(encoding="utf-8"))
        return int(holder["pid"]) == int(pid)
    except (OSError, ValueError, KeyError):
        return False


def _remove_empty(paths: Paths) -> None:
    if not paths.has_state:
        paths.lock.unlink(missing_ok=True)
        with suppress(OSError):  # `lab down` deleted it
            paths.state.rmdir()


def _refusal(text: str) -> LockedError:
    """Return the error that names the holder, and how it ends."""
    try:
        holder = json.loads(text)
        command = str(holder["command"])
        since = time.strftime("%H:%M:%S", time.localtime(holder["since"]))
        what = f"`{command}` (process {holder['pid']}) has been working on this lab since {since}"
    except (ValueError, KeyError, TypeError):
        return LockedError("another command is working on this lab", next=_WAIT)
    return LockedError(what, next="end it: Ctrl-C in its terminal" if command in _PRESENTERS else _WAIT)
