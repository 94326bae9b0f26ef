"""Server-sent events: everything that happens on the stage, for one browser.

A stream never makes the stage wait: a browser that does not keep up is disconnected, and gets everything again when it
connects again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lab.base.names import Json
from lab.stage.broker import Reader, TooManyReadersError
from lab.stage.parts import Stage
from lab.stage.security import problem

HEARTBEAT_S = 10.0
"""A comment this often keeps proxies from closing the stream, and shows the server that a browser has gone."""
SLOW_S = 15.0
"""A browser that takes nothing for this long is gone, or its machine sleeps."""


def waker(waiting: asyncio.Event) -> Callable[[], None]:
    """Return a function that sets an event of this loop from any thread."""
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended with the server
            loop.call_soon_threadsafe(waiting.set)

    return wake


async def events(request: Request) -> ASGIApp:
    """Stream events: first the state and the panels, then everything that happens."""
    stage: Stage = request.app.state.stage

    def first() -> list[tuple[str, Json]]:
        return [("state", stage.state()), *(("panel", panel) for panel in stage.panels())]

    waiting = asyncio.Event()
    try:
        reader = stage.broker.read(waker(waiting), first=first)
    except TooManyReadersError:
        body = problem("too many browsers show this stage", where="/api/events", next_step="close one of them")
        return JSONResponse(body, status_code=503, headers={"retry-after": "5"})
    return _EventStream(reader=reader, waiting=waiting)


@dataclass(kw_only=True)
class _EventStream:
    """The events of one reader until it leaves or is too slow, or the stage ends."""

    reader: Reader
    waiting: asyncio.Event

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.reader.close()
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        # x-accel-buffering: a proxy that buffers would show nothing until its buffer is full.
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while not self.reader.ended:
            self.waiting.clear()
            frames = self.reader.take()
            if not frames and not self.reader.ended:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.waiting.wait(), HEARTBEAT_S)
                    continue
                frames = [b": the stage is there\n\n"]
            async with asyncio.timeout(SLOW_S):
                await send({"type": "http.response.body", "body": b"".join(frames), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
