"""Multiplex many byte streams over one connection: the tunnel's protocol. Standard library only.

A frame is `kind: 1 byte, stream: 4 bytes, length: 4 bytes` (big-endian) and `length` bytes. A stream is opened by
OPEN with a target as text; the other end answers OPENED, or RESET with a reason. DATA has bytes, END closes one
direction, RESET closes both. As in HTTP/2 (RFC 9113, section 5.2) each direction of a stream has a
window: a sender may have WINDOW unread bytes in flight, and CREDIT returns the bytes that were read. So a slow reader
blocks only its own stream. Each end sends PING every PING_S; a connection that is silent for SILENT_S is dead.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import IntEnum

WINDOW = 256 << 10
CHUNK = 16 << 10
PING_S = 5.0
SILENT_S = 20.0
_HEADER = struct.Struct(">BII")
_LIMIT = 1 << 20


class FrameKind(IntEnum):
    """The kind of a frame."""

    OPEN = 1
    OPENED = 2
    DATA = 3
    END = 4
    RESET = 5
    CREDIT = 6
    PING = 7


class RefusedError(Exception):
    """The other end refused or reset a stream; the text is its reason."""


class Stream:
    """One byte stream, created by `Mux`."""

    def __init__(self, mux: Mux, number: int) -> None:
        self._mux, self._number = mux, number
        self._chunks: deque[bytes] = deque()
        self._changed = asyncio.Condition()
        self._credit = WINDOW
        self._opened = self._ended = False
        self._reason: str | None = None

    async def read(self) -> bytes:
        """Return the next bytes; empty at the end.

        Raises:
            RefusedError: the stream was reset.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._chunks or self._ended or self._reason is not None)
            if not self._chunks:
                self._check()
                return b""
            data = self._chunks.popleft()
        await self._mux.send(FrameKind.CREDIT, self._number, struct.pack(">I", len(data)))
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes, as fast as the other end reads them.

        Raises:
            RefusedError: the stream was reset.
        """
        while data:
            async with self._changed:
                await self._changed.wait_for(lambda: self._credit > 0 or self._reason is not None)
                self._check()
                part = data[: min(self._credit, CHUNK)]
                self._credit -= len(part)
            await self._mux.send(FrameKind.DATA, self._number, part)
            data = data[len(part) :]

    async def end(self) -> None:
        """Close the sending direction."""
        await self._mux.send(FrameKind.END, self._number)

    async def reset(self, reason: str) -> None:
        """Close both directions at once."""
        if self._mux.forget(self._number):
            await self._mux.send(FrameKind.RESET, self._number, reason.encode())
        await self.take(FrameKind.RESET, reason.encode())

    def close(self) -> None:
        """Forget the stream: this end has read and sent everything."""
        self._mux.forget(self._number)

    async def opened(self) -> None:
        """Wait until the other end has opened the stream.

        Raises:
            RefusedError: the other end refused it.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._opened or self._reason is not None)
            self._check()

    async def take(self, kind: FrameKind, payload: bytes) -> None:
        """Handle a frame; called by the connection's reader."""
        async with self._changed:
            if kind is FrameKind.DATA:
                self._chunks.append(payload)
            elif kind is FrameKind.END:
                self._ended = True
            elif kind is FrameKind.CREDIT:
                self._credit += int(struct.unpack(">I", payload)[0])
            elif kind is FrameKind.OPENED:
                self._opened = True
            elif self._reason is None:
                self._reason = payload.decode("utf-8", "replace")
            self._changed.notify_all()

    def _check(self) -> None:
        if self._reason is not None:
            raise RefusedError(self._reason)


Accept = Callable[[Stream, str], Awaitable[None]]
"""Called with each stream that the other end opens, and its target; calls `Mux.accept` or `Stream.reset`."""


class Mux:
    """One end of a connection.

    Args:
        reader: of the connection.
        writer: of the connection; closed with it.
        accept: see `Accept`.
        first: 1 on one end and 2 on the other, so that both can number streams.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, accept: Accept, *, first: int
    ) -> None:
        self._reader, self._writer, self._accept, self._next = reader, writer, accept, first
        self._streams: dict[int, Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()
        self._over = False
        self.alive = asyncio.Event()
        """Set when the other end has sent a frame."""

    async def run(self) -> None:
        """Serve the connection until it ends or breaks, then reset every stream."""
        pinging = asyncio.create_task(self._ping())
        try:
            while True:
                async with asyncio.timeout(SILENT_S):
                    kind, number, length = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
                    if length > _LIMIT:
                        return  # the other end speaks another protocol
                    payload = await self._reader.readexactly(length)
                self.alive.set()
                await self._take(FrameKind(kind), number, payload)
        except (TimeoutError, OSError, EOFError, ValueError):
            return
        finally:
            self._over = True
            pinging.cancel()
            self._writer.close()
            for stream in list(self._streams.values()):
                await stream.take(FrameKind.RESET, b"the tunnel's connection ended")
            self._streams.clear()
            for task in list(self._tasks):
                task.cancel()

    def stop(self) -> None:
        """End the connection; `run` returns."""
        self._writer.close()
        self._reader.feed_eof()

    async def open(self, target: str) -> Stream:
        """Open a stream to a target of the other end.

        Raises:
            RefusedError: the other end refused it; the text is its reason.
        """
        number, self._next = self._next, self._next + 2
        stream = self._streams[number] = Stream(self, number)
        await self.send(FrameKind.OPEN, number, target.encode())
        if self._over:
            raise RefusedError("the tunnel's connection ended")
        await stream.opened()
        return stream

    async def accept(self, stream: Stream) -> None:
        """Answer that the other end's stream is open."""
        await self.send(FrameKind.OPENED, next(n for n, known in self._streams.items() if known is stream))

    def forget(self, number: int) -> bool:
        """Forget a stream; False if it was already forgotten."""
        return self._streams.pop(number, None) is not None

    async def send(self, kind: FrameKind, number: int, payload: bytes = b"") -> None:
        """Send a frame; do nothing on a connection that has ended, since its streams are reset."""
        if self._over:
            return
        with suppress(OSError, RuntimeError):
            async with self._sending:
                self._writer.write(_HEADER.pack(kind, number, len(payload)) + payload)
                await self._writer.drain()

    async def _take(self, kind: FrameKind, number: int, payload: bytes) -> None:
        if kind is FrameKind.OPEN:
            stream = self._streams[number] = Stream(self, number)
            task = asyncio.create_task(_finished(self._accept(stream, payload.decode("utf-8", "replace"))))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif (known := self._streams.get(number)) is not None:
            await known.take(kind, payload)
            if kind is FrameKind.RESET:
                self.forget(number)

    async def _ping(self) -> None:
        while True:
            await self.send(FrameKind.PING, 0)
            await asyncio.sleep(PING_S)


async def _finished(work: Awaitable[None]) -> None:
    await work


async def splice(stream: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes between a stream and a TCP connection until both directions end, or one breaks."""

    async def away() -> None:
        while data := await reader.read(CHUNK):
            await stream.write(data)
        await stream.end()

    async def home() -> None:
        while data := await stream.read():
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(away())
            tasks.create_task(home())
    except* (OSError, RefusedError) as broken:
        await stream.reset(str(broken.exceptions[0]))
    finally:
        stream.close()
        writer.close()
