"""One run at a time changes a lab; the second one is told who is running."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from lab.base import locks
from lab.base.errors import LockedError, WaitTimeout
from lab.base.paths import Paths


@contextmanager
def held(paths: Paths, command: str, *, wait_s: float = 0) -> Iterator[None]:
    """Hold the lab's lock while the block runs. The lock goes with its process, however that ends.

    Args:
        paths: of the lab.
        command: what is running, for the error of a second command.
        wait_s: seconds to wait for it.

    Raises:
        LockedError: another process holds it; the error names its command, its process and since when.
    """
    paths.ensure_state()
    holder = paths.lock.with_suffix(".json")
    with ExitStack() as stack:
        try:
            stack.enter_context(locks.held(paths.lock, what="the lab's lock", wait_s=wait_s))
        except WaitTimeout as error:
            raise LockedError(_who(holder.read_text() if holder.exists() else ""), next="wait for it to end") from error
        stack.callback(holder.unlink, missing_ok=True)
        holder.write_text(json.dumps({"command": command, "pid": os.getpid(), "since": time.time()}))
        yield


def _who(text: str) -> str:
    try:
        who = json.loads(text)
        since = time.strftime("%H:%M:%S", time.localtime(who["since"]))
        return f"`{who['command']}` (process {who['pid']}) has been working on this lab since {since}"
    except (ValueError, KeyError):
        return "another command is working on this lab"
