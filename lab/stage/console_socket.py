"""The WebSocket of a console: its bytes for one browser, and what a person types there.

As with the stream of events, a browser that does not keep up is disconnected and connects again.
"""

from __future__ import annotations

import asyncio
import json
import threading

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from lab.base.names import Json
from lab.stage.event_stream import SLOW_S, waker
from lab.stage.parts import ConsoleFeed, Declined, Stage
from lab.stage.security import problem

MOST_MESSAGE = 64 << 10
"""Bytes of a message from a browser."""
_FRAME = 128 << 10
"""Bytes of one frame: small enough for every client's own limit."""
_MOST_WAITING = 2 << 20
"""Bytes of a console that may wait for one browser."""
_SIZES = range(2, 1001)
"""Columns and rows that a console may have."""
_LATER, _WRONG = 1013, 1003
"""Codes with which a WebSocket closes: connect again later; a message of another form (RFC 6455, IANA)."""


class _BrowserConsole:
    """A `Viewer`: what waits for one browser."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.over = False
        """The console was closed, or this browser is too slow."""
        self._wake = waker(self.waiting)
        self._parts: list[bytes] = []
        self._size: tuple[int, int] | None = None
        self._bytes = 0
        self._guard = threading.Lock()

    def receive(self, data: bytes) -> None:
        """Add bytes; end if too many wait."""
        with self._guard:
            if self.over:
                return
            self._parts.append(data)
            self._bytes += len(data)
            if self._bytes > _MOST_WAITING:
                self.over = True
                self._parts.clear()
        self._wake()

    def sized(self, cols: int, rows: int) -> None:
        """Note a new size of the console."""
        with self._guard:
            self._size = (cols, rows)
        self._wake()

    def ended(self) -> None:
        """End."""
        self.over = True
        self._wake()

    def take_size(self) -> tuple[int, int] | None:
        """Return the console's size if it is new."""
        with self._guard:
            size, self._size = self._size, None
        return size

    def take(self) -> bytes:
        """Return what waits."""
        with self._guard:
            data = b"".join(self._parts)
            self._parts.clear()
            self._bytes = 0
        return data


async def console(socket: WebSocket) -> None:
    """Show a console and take what a person types.

    Binary frames have the console's bytes, first those that it showed last. A text frame `{"type": "size", "cols": …,
    "rows": …}` comes before the first bytes of each size. Text frames of the browser are `{"type": "input", "data": …}`
    and `{"type": "resize", "cols": …, "rows": …}`.
    """
    stage: Stage = socket.app.state.stage
    name = str(socket.path_params["name"])
    try:
        feed = stage.console(name)
    except KeyError:
        body = problem(f"unknown console {name!r}", where=socket.url.path, next_step="see `consoles` of the state")
        await socket.send_denial_response(JSONResponse(body, status_code=404))
        return
    viewer = _BrowserConsole()
    try:
        shown = feed.attach(viewer)
    except Declined as error:
        body = problem(error.what, where=socket.url.path, next_step=error.next or "close another browser")
        await socket.send_denial_response(JSONResponse(body, status_code=503))
        return
    sending: asyncio.Future[None] | None = None
    try:
        await socket.accept()
        sending = asyncio.ensure_future(_show(socket, viewer, shown))
        taking = asyncio.ensure_future(_take(socket, feed, viewer))
        await asyncio.wait({sending, taking}, return_when=asyncio.FIRST_COMPLETED)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
    finally:
        feed.detach(viewer)
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _show(socket: WebSocket, viewer: _BrowserConsole, shown: bytes) -> None:
    """Send the console's bytes until it ends."""
    await _tell_size(socket, viewer)
    await _send(socket, shown)
    while not viewer.over:
        viewer.waiting.clear()
        await _tell_size(socket, viewer)
        if data := viewer.take():
            await _send(socket, data)
        elif not viewer.over:
            await viewer.waiting.wait()
    await _send(socket, viewer.take())
    await socket.close(_LATER)


async def _send(socket: WebSocket, data: bytes) -> None:
    """Send bytes.

    Raises:
        TimeoutError: the browser does not take them.
    """
    for at in range(0, len(data), _FRAME):
        async with asyncio.timeout(SLOW_S):
            await socket.send_bytes(data[at : at + _FRAME])


async def _tell_size(socket: WebSocket, viewer: _BrowserConsole) -> None:
    if (size := viewer.take_size()) is not None:
        async with asyncio.timeout(SLOW_S):
            await socket.send_json({"type": "size", "cols": size[0], "rows": size[1]})


async def _take(socket: WebSocket, feed: ConsoleFeed, viewer: _BrowserConsole) -> None:
    """Take a browser's messages until it leaves."""
    while (message := await socket.receive())["type"] == "websocket.receive":
        try:
            _obey(json.loads(message.get("text") or ""), feed, viewer)
        except (ValueError, RecursionError):
            await socket.close(_WRONG, "send input or resize as JSON")
            return


def _obey(message: Json, feed: ConsoleFeed, viewer: _BrowserConsole) -> None:
    match message:
        case {"type": "input", "data": str(keys)}:
            feed.input(viewer, keys)
        case {"type": "resize", "cols": int(cols), "rows": int(rows)} if cols in _SIZES and rows in _SIZES:
            feed.resize(viewer, cols, rows)
        case _:
            raise ValueError(message)
