"""Doing the same with several things at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context


def at_once(work: Callable[[str], object], names: Iterable[str]) -> None:
    """Do something with each name, all at once, and raise the first error after all have ended."""
    with ThreadPoolExecutor(8, thread_name_prefix="node") as threads:
        futures = [threads.submit(copy_context().run, work, name) for name in names]
    for future in futures:
        future.result()
