"""The events of one stream: answers as they come, marks, taps, and once a second the timeline."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

from frontend.answers import Answer
from frontend.counting import LoadMark
from frontend.events import RECONNECT_MS, event
from frontend.fanout import Fanout
from frontend.marks import Mark, MarkBoard
from frontend.pace import Ask, End, steady
from frontend.timeline import SLOT_S, Timeline

SHOWN_MARKS = 20
"""Marks from before the stream, in `hello`."""


@dataclass(frozen=True, kw_only=True)
class _TimedMark:
    mark: Mark
    at_s: float


@dataclass(frozen=True, kw_only=True)
class _Tap:
    answer: Answer


_Item = Answer | End | _TimedMark | _Tap | Exception | None
"""What comes next in a stream; None is the end of a second."""


async def events(
    hello: Mapping[str, object],
    asking: AbstractAsyncContextManager[Ask],
    board: MarkBoard,
    tapped: Fanout[Answer],
    *,
    rate_per_s: float,
    count: int | None,
    stop: asyncio.Event,
) -> AsyncIterator[bytes]:
    """Yield `hello`, then `answer`, `mark`, `tap` and `timeline` events, and at last `end`.

    Args:
        hello: the fields of the first event that describe frontend and upstream.
        asking: gives what sends one request.
        board: the marks.
        tapped: the taps of the same upstream; the timeline does not count them.
        rate_per_s: requests per second.
        count: ends after so many; None continues.
        stop: ends the stream.
    """
    began, began_at = time.monotonic(), time.time()
    timeline = Timeline()

    def now_s() -> float:
        return time.monotonic() - began

    first = {
        **hello,
        "rate_per_s": rate_per_s,
        "began_at": round(began_at, 3),
        "slot_s": SLOT_S,
        "marks": [mark.as_json() for mark in board.marks[-SHOWN_MARKS:]],
    }
    yield f"retry: {RECONNECT_MS}\n".encode() + event("hello", first)

    # One at a time: what a slow reader does not take waits in `steady`, which then ends the stream.
    outgoing: asyncio.Queue[_Item] = asyncio.Queue(maxsize=1)

    async def answers() -> None:
        async with asking as ask:

            async def counted(n: int) -> Answer:
                timeline.sent(n, now_s())
                answer = await ask(n)
                timeline.answered(answer)
                return answer

            async with aclosing(steady(counted, rate_per_s=rate_per_s, count=count, stop=stop)) as items:
                async for item in items:
                    await outgoing.put(item)

    async def marks() -> None:
        with board.news.reading() as reader:
            while True:
                mark = await reader.get()
                at_s = mark.monotonic_s - began
                timeline.mark(LoadMark(at_s=at_s, text=mark.text, intended=mark.intended))
                await outgoing.put(_TimedMark(mark=mark, at_s=at_s))

    async def ticks() -> None:
        while True:
            await asyncio.sleep(SLOT_S - now_s() % SLOT_S)
            await outgoing.put(None)

    sources = (answers(), marks(), _taps(tapped, outgoing), ticks())
    tasks = [asyncio.create_task(_fed(source, outgoing)) for source in sources]
    try:
        while True:
            match item := await outgoing.get():
                case Answer():
                    yield event("answer", item.as_json(), event_id=item.n)
                case _TimedMark():
                    yield event("mark", {**item.mark.as_json(), "at_s": round(item.at_s, 3)})
                case _Tap():
                    yield event("tap", {**item.answer.as_json(), "tap": True})
                case None:
                    yield event("timeline", timeline.report(now_s()).as_json())
                case End():
                    yield event("timeline", timeline.report(now_s(), final=True).as_json())
                    yield event("end", {"reason": item})
                    return
                case Exception():
                    raise item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _taps(tapped: Fanout[Answer], outgoing: asyncio.Queue[_Item]) -> None:
    with tapped.reading() as reader:
        while True:
            await outgoing.put(_Tap(answer=await reader.get()))


async def _fed(source: Coroutine[None, None, None], outgoing: asyncio.Queue[_Item]) -> None:
    try:
        await source
    except Exception as error:  # to be raised where the stream is read
        await outgoing.put(error)
