"""The audience's server: bounded connections, each for a bounded time, in a thread of its own.

uvicorn closes a connection that is idle after an answer, but not one on which a request never becomes complete. Here,
each connection ends after a while, and when all places are taken, the oldest one without a request makes room. So
slow clients and floods of connections only take places from each other.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from lab.base import limits, wait
from lab.base.errors import HostError
from lab.base.wait import NotYet

MOST_CONNECTIONS = 512
LIFE_S, GRACE_S = 20.0, 15.0
"""Seconds after which a connection ends, and further ones for a request that is in progress then."""
_KEEP_ALIVE_S = 5
_MOST_HEAD = 8 << 10
_START_S = 10.0
_END_S = 1.0


class Gate:
    """The open connections of one server, the oldest first."""

    def __init__(self, most: int = MOST_CONNECTIONS, *, life_s: float = LIFE_S, grace_s: float = GRACE_S) -> None:
        self.most, self.life_s, self.grace_s = most, life_s, grace_s
        self._open: dict[_BoundedHttp, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: _BoundedHttp) -> bool:
        """Add a connection, and end another one if it needs the place; return False if there is no place."""
        if len(self._open) >= self.most:
            idle = next((one for one in self._open if one.is_idle), None)
            if idle is None:
                return False
            del self._open[idle]
            idle.end()
        self._open[connection] = None
        return True

    def leave(self, connection: _BoundedHttp) -> None:
        """Remove a connection."""
        self._open.pop(connection, None)


class _BoundedHttp(H11Protocol):
    """One connection of a server with a gate."""

    gate: Gate

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._admitted = False
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def is_idle(self) -> bool:
        """Whether no request waits for its answer."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection if there is a place for it."""
        if not self.gate.admit(self):
            transport.abort()
            return
        self._admitted = True
        super().connection_made(transport)
        life_s, grace_s = self.gate.life_s, self.gate.grace_s
        self._timers = [
            self.loop.call_later(life_s, self.end),
            self.loop.call_later(life_s + grace_s, transport.abort),
        ]

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place to another one."""
        for timer in self._timers:
            timer.cancel()
        self.gate.leave(self)
        if self._admitted:
            super().connection_lost(exc)

    def end(self) -> None:
        """End the connection: at once, or after the answer of a request that is in progress."""
        if not self.is_idle:
            self.cycle.keep_alive = False
        elif not self.transport.is_closing():
            self.transport.abort()  # nothing was promised, and an unread rest must not keep it


@contextmanager
def serving(app: ASGIApp, listener: socket.socket, *, gate: Gate, closing: Callable[[], None]) -> Iterator[None]:
    """Serve an application while the block runs.

    Args:
        app: the application.
        listener: where it listens.
        gate: its connections.
        closing: called before the server ends.
    """
    limits.allow_open_files()
    config = uvicorn.Config(
        app,
        access_log=False,
        date_header=False,
        h11_max_incomplete_event_size=_MOST_HEAD,
        http=type("BoundedHttp", (_BoundedHttp,), {"gate": gate}),
        lifespan="off",
        log_config=None,
        log_level="error",
        loop="asyncio",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=_KEEP_ALIVE_S,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=copy_context().run, args=(server.run, [listener]), name="audience-server", daemon=True
    )
    thread.start()
    try:
        wait.until(
            "the audience's server",
            lambda: server.started or NotYet("it starts") if thread.is_alive() else _ended(),
            timeout_s=_START_S,
            interval_s=0.02,
        )
        yield
    finally:
        closing()
        server.should_exit = True
        thread.join(_END_S)
        if thread.is_alive():  # a request does not end: the process ends without it
            server.force_exit = True
            thread.join(_END_S / 2)


def _ended() -> bool:
    raise HostError("the audience's server ended while it started", next="start the stage again")
