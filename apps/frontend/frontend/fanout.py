"""One sender, many open streams: each gets what is sent while it listens, and a slow one delays nobody."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Fanout(Generic[T]):
    """Gives each item to all readers of the moment.

    Args:
        waiting: items that a reader may be behind; further ones are left out there.
    """

    def __init__(self, waiting: int) -> None:
        self._waiting = waiting
        self._readers: set[asyncio.Queue[T]] = set()

    @property
    def readers(self) -> int:
        """How many listen."""
        return len(self._readers)

    def send(self, item: T) -> None:
        """Give an item to each reader that is not too far behind."""
        for reader in self._readers:
            if not reader.full():
                reader.put_nowait(item)

    @contextmanager
    def reading(self) -> Iterator[asyncio.Queue[T]]:
        """Yield a queue that gets each item from now on."""
        reader: asyncio.Queue[T] = asyncio.Queue(maxsize=self._waiting)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
