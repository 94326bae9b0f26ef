"""An HTTP forward proxy on loopback that sends requests through the tunnel (RFC 9110, section 3.7 and 9.3.6).

It accepts `GET http://host/path` and `CONNECT host:port` with its password; HTTP_PROXY has its address and password.
Each request has its own connection.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lab.dev.inpod.mux import RefusedError, Stream, splice

Open = Callable[[str], Awaitable[Stream]]
"""Opens a stream to `host:port` in the cluster; raises RefusedError."""
_HEAD_S = 10.0
_HOP_BY_HOP = {"connection", "proxy-connection", "proxy-authorization", "keep-alive"}


@dataclass(frozen=True, kw_only=True)
class Head:
    """The parsed head of a proxy request: the target, and the bytes to send to it."""

    target: str
    forward: bytes
    password_fits: bool


def read_head(data: bytes, credentials: str) -> Head:
    """Parse the head of a request.

    Raises:
        ValueError: it is not a request to a proxy.
    """
    first, *lines = data.decode("latin-1").split("\r\n")
    method, url, version = first.split(" ")
    headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines if line)]
    given = next((value for name, value in headers if name.lower() == "proxy-authorization"), "")
    fits = secrets.compare_digest(given.encode("latin-1"), f"Basic {credentials}".encode())
    if method == "CONNECT":
        parts = urlsplit(f"//{url}")
        if not parts.hostname or not parts.port:
            raise ValueError("CONNECT needs host:port")
        return Head(target=f"{parts.hostname}:{parts.port}", forward=b"", password_fits=fits)
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("a proxy request must name http://host/path")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [f"{name}: {value}" for name, value in headers if name.lower() not in _HOP_BY_HOP]
    text = "\r\n".join([f"{method} {path} {version}", *kept, "Connection: close", "", ""])
    return Head(target=f"{parts.hostname}:{parts.port or 80}", forward=text.encode("latin-1"), password_fits=fits)


@dataclass(kw_only=True)
class Proxy:
    """The proxy; `start` and `close` in the tunnel's own loop."""

    open: Open
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    port: int = 0
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The value for HTTP_PROXY. It has the password: keep it out of logs."""
        return f"http://lab:{self.password}@127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen on a free loopback port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_S):
                data = await reader.readuntil(b"\r\n\r\n")
            head = read_head(data, b64encode(f"lab:{self.password}".encode()).decode())
        except (TimeoutError, EOFError, OSError, asyncio.LimitOverrunError):
            writer.close()
            return
        except ValueError as error:
            await _refuse(writer, "400 Bad Request", str(error))
            return
        if not head.password_fits:
            await _refuse(writer, "407 Proxy Authentication Required", "use the whole HTTP_PROXY that `lab dev` gave")
            return
        try:
            stream = await self.open(head.target)
        except RefusedError as error:
            await _refuse(writer, "502 Bad Gateway", str(error))
            return
        with suppress(OSError, RefusedError):
            if head.forward:
                await stream.write(head.forward)
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await splice(stream, reader, writer)


async def _refuse(writer: asyncio.StreamWriter, status: str, why: str) -> None:
    body = json.dumps({"error": f"lab dev: {why}"}).encode()
    more = 'proxy-authenticate: Basic realm="lab dev"\r\n' if status.startswith("407") else ""
    head = f"HTTP/1.1 {status}\r\n{more}content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    with suppress(OSError):
        writer.write(f"{head}connection: close\r\n\r\n".encode() + body)
        await writer.drain()
    writer.close()
