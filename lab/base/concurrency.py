"""Run work in parallel. The only module that creates thread pools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from types import TracebackType
from typing import ParamSpec, TypeVar

__all__ = ["FIRST_COMPLETED", "Future", "Threads", "at_once", "each", "one_by_one", "wait"]

_MOST = 6
P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class Threads(ThreadPoolExecutor):
    """A thread pool whose work has the context of its caller (progress, cancellation).

    As a context manager it waits for its work, but not after Ctrl-C: work that hangs must not block the lab.
    """

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start `work` in the context of the caller."""
        context = copy_context()
        return super().submit(lambda: context.run(work, *args, **kwargs))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the work, unless the block was interrupted."""
        del error, trace
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        self.shutdown(wait=not interrupted, cancel_futures=interrupted)


_one_by_one: ContextVar[bool] = ContextVar("one_by_one", default=False)


@contextmanager
def one_by_one() -> Iterator[None]:
    """Let `each` work on one item after the other while the block runs."""
    before = _one_by_one.set(True)
    try:
        yield
    finally:
        _one_by_one.reset(before)


def each(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Call `work` on each item, several in parallel, and return the results in the items' order."""
    if len(items) < 2 or _one_by_one.get():
        return [work(item) for item in items]
    with Threads(min(_MOST, len(items)), thread_name_prefix="each") as threads:
        futures = [threads.submit(work, item) for item in items]
        return [future.result() for future in futures]


def at_once(work: Callable[[str], object], names: Iterable[str]) -> None:
    """Call `work` on each name in parallel, and raise the first error after all calls have ended."""
    with Threads(8, thread_name_prefix="node") as threads:
        futures = [threads.submit(work, name) for name in names]
        wait(futures)
    for future in futures:
        future.result()
