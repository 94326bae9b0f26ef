"""The connections of the audience's server: a bounded number, each for a bounded time.

uvicorn closes a connection that is idle after an answer, but not one on which a request never becomes complete. Here,
each connection ends after a while, and when all places are taken, the oldest one without a request makes room. So
slow clients and floods of connections only take places from each other.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 512
LIFE_S, GRACE_S = 20.0, 15.0
"""Seconds after which a connection ends, and further ones for a request that is in progress then."""


class Gate:
    """The open connections of one server, the oldest first."""

    def __init__(self, most: int = MOST_CONNECTIONS, *, life_s: float = LIFE_S, grace_s: float = GRACE_S) -> None:
        self.most, self.life_s, self.grace_s = most, life_s, grace_s
        self._open: dict[_BoundedHttp, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def protocol(self) -> type[asyncio.Protocol]:
        """Return the protocol of a server whose connections pass this gate."""
        return type("BoundedHttp", (_BoundedHttp,), {"gate": self})

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
