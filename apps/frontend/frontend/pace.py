"""Many requests: as a batch that ends, or at a steady rate for as long as someone looks."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from frontend.answers import Answer

Ask = Callable[[int], Awaitable[Answer]]
"""Sends request number n, counted from 1, and gives its answer; never raises for a failed request."""

MAX_WAITING = 1000  # answers that a reader may be behind before its stream ends: about 1 MiB


class End(StrEnum):
    """Why a stream of answers ended."""

    COUNT = "count"  # all that were asked for
    STOP = "stop"  # the process shuts down
    TOO_SLOW = "too slow"  # the reader is MAX_WAITING answers behind


class Budget:
    """How many requests per second all streams together may send."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self.taken_per_s = 0.0

    @property
    def free_per_s(self) -> float:
        """What is left."""
        return self.per_s - self.taken_per_s

    @contextmanager
    def take(self, per_s: float) -> Iterator[None]:
        """Hold a part of the budget; whether that much is free is for the caller to check before."""
        self.taken_per_s += per_s
        try:
            yield
        finally:
            self.taken_per_s -= per_s


class Bucket:
    """A limit on how often something happens: `burst` times at once, then `per_s` times a second."""

    def __init__(self, per_s: float, *, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._tokens, self._filled_s = burst, clock()

    def take(self) -> bool:
        """Count one more; False if that is too many."""
        now_s = self._clock()
        self._tokens = min(self._burst, self._tokens + (now_s - self._filled_s) * self._per_s)
        self._filled_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


async def batch(ask: Ask, *, count: int, parallel: int, timeout_s: float) -> list[Answer]:
    """Send `count` requests, `parallel` at a time.

    After `timeout_s` seconds no further one is sent and those under way are waited for, so the list may be
    shorter than `count`. It is in the order of sending.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    numbers = iter(range(1, count + 1))
    answers: list[Answer] = []

    async def worker() -> None:
        for n in numbers:  # shared: each worker takes the next number
            answers.append(await ask(n))
            if loop.time() >= end:
                return

    async with asyncio.TaskGroup() as workers:
        for _ in range(min(parallel, count)):
            workers.create_task(worker())
    return sorted(answers, key=lambda answer: answer.n)


async def steady(
    ask: Ask, *, rate_per_s: float, count: int | None, stop: asyncio.Event
) -> AsyncGenerator[Answer | End, None]:
    """Send a request every 1/`rate_per_s` seconds; give answers as they come, and at last the End.

    However long answers take: a slow upstream is asked as often as a fast one, and its slowness shows in the
    latencies instead of in a lower rate (no coordinated omission). No more are under way than the rate times
    the time that `ask` allows a request.

    Args:
        ask: sends one request.
        rate_per_s: requests per second.
        count: ends after so many; None continues.
        stop: ends the sending; requests under way are still given.
    """
    answers: asyncio.Queue[Answer | None] = asyncio.Queue()

    async def one(n: int) -> None:
        answers.put_nowait(await ask(n))

    async def send() -> End:
        try:
            async with asyncio.TaskGroup() as requests:
                async for n in _ticks(rate_per_s, count, stop):
                    if answers.qsize() >= MAX_WAITING:
                        return End.TOO_SLOW
                    requests.create_task(one(n))
            return End.STOP if stop.is_set() else End.COUNT
        finally:
            answers.put_nowait(None)

    sender = asyncio.create_task(send())
    try:
        while (answer := await answers.get()) is not None:
            yield answer
        yield await sender
    finally:
        sender.cancel()


async def _ticks(rate_per_s: float, count: int | None, stop: asyncio.Event) -> AsyncIterator[int]:
    """1, 2, 3 … at `rate_per_s`; a delay is caught up, but for what is over a second (the machine slept)."""
    loop = asyncio.get_running_loop()
    n, due = 0, loop.time()
    while not stop.is_set() and (count is None or n < count):
        try:
            async with asyncio.timeout_at(due):
                await stop.wait()
        except TimeoutError:
            n += 1
            yield n
            due = max(due, loop.time() - 1) + 1 / rate_per_s
