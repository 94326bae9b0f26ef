"""Server-sent events (WHATWG HTML, "Server-sent events") as a response that cleans up after itself."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, aclosing

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

RECONNECT_MS = 1000


def event(name: str, data: object, *, event_id: int | None = None) -> bytes:
    """One event; `data` becomes one line of JSON."""
    lines = [f"event: {name}", f"data: {json.dumps(data, separators=(',', ':'))}"]
    if event_id is not None:
        lines.insert(0, f"id: {event_id}")
    return ("\n".join(lines) + "\n\n").encode()


class EventStream(StreamingResponse):
    """Sends events until they end or the reader goes away.

    Args:
        events: what to send; closed in either case.
        hold: entered before the first event and left after the last one.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], *, hold: AbstractContextManager[None]) -> None:
        super().__init__(events, headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        self._hold = hold

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response; a reader that leaves ends it without an error."""
        with self._hold:
            try:
                await super().__call__(scope, receive, send)
            except ClientDisconnect:
                return

    async def stream_response(self, send: Send) -> None:
        """Send the events, and close their source in any case."""
        # A generator that is merely dropped is closed whenever the garbage collector comes by.
        async with aclosing(self.body_iterator):  # type: ignore[type-var]  # it is the generator given above
            await super().stream_response(send)
