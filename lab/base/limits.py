"""Limits of this process that are too low on some systems."""

from __future__ import annotations

import contextlib
import resource

OPEN_FILES = 4096
"""Enough for every connection of a load, and for the lab's own files."""


def allow_open_files() -> None:
    """Raise the number of files and connections that may be open, if it is lower than OPEN_FILES and may be raised.

    The default is 256 on macOS and 1024 on Linux; a load has up to 300 connections at once.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # the kernel's own limit is lower
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
