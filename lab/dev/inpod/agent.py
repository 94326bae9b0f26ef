"""The agent: the tunnel's end in the cluster. Standard library only.

`serve` is the pod's main process: it listens on the service's port and sends each connection into the tunnel; for the
local process it connects to other Services. `kubectl exec` runs `pipe`, which connects its standard input and output to
`serve`: that is the tunnel's connection. So the tunnel needs Kubernetes' right to exec, and opens no port.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from contextlib import suppress

from lab.dev.inpod.mux import CHUNK, Mux, RefusedError, Stream, splice

SOCKET = "/tmp/tunnel"  # noqa: S108 - in a container with one user
PORT, HEALTH_PORT = 8080, 8081
SERVICE = "service"
"""The only target that the local end of the tunnel accepts."""
_CONNECT_S = 5.0


class Agent:
    """Serves one tunnel at a time; a new tunnel replaces the old one."""

    def __init__(self) -> None:
        self.mux: Mux | None = None

    async def attach(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a tunnel's connection until it ends."""
        if self.mux is not None:
            self.mux.stop()
        mux = self.mux = Mux(reader, writer, self._reach, first=1)
        await mux.run()
        if self.mux is mux:
            self.mux = None

    async def inbound(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward a connection from the cluster to the local process."""
        try:
            if self.mux is None:
                raise RefusedError("no process is connected")  # noqa: TRY301 - same answer for both errors
            stream = await self.mux.open(SERVICE)
        except RefusedError as error:
            await _unavailable(reader, writer, str(error))
            return
        await splice(stream, reader, writer)

    async def health(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the readiness probe: ready while a tunnel is connected."""
        if self.mux is not None and self.mux.alive.is_set():
            await _answer(reader, writer, "200 OK", {"status": "ok"})
        else:
            await _unavailable(reader, writer, "no process is connected")

    async def _reach(self, stream: Stream, target: str) -> None:
        """Connect a stream to `host:port` in the cluster."""
        host, _, port = target.rpartition(":")
        mux = self.mux
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(host, int(port))
        except TimeoutError:
            await stream.reset(f"{target}: timed out after {_CONNECT_S:g} s waiting for a connection")
        except (OSError, ValueError) as error:
            await stream.reset(f"{target}: {error}")
        else:
            if mux is not None:
                await mux.accept(stream)
                await splice(stream, reader, writer)

    async def serve(self, port: int = PORT, health_port: int = HEALTH_PORT, path: str = SOCKET) -> None:
        """Serve until SIGTERM."""
        over = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - left by a container before this one
        servers = [
            await asyncio.start_server(self.inbound, "0.0.0.0", port),  # noqa: S104 - in a pod
            await asyncio.start_server(self.health, "0.0.0.0", health_port),  # noqa: S104
            await asyncio.start_unix_server(self.attach, path),
        ]
        await over.wait()
        for server in servers:
            server.close()


async def _unavailable(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, why: str) -> None:
    await _answer(reader, writer, "503 Service Unavailable", {"error": f"lab dev: {why}"})


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: str, document: dict[str, str]
) -> None:
    body = json.dumps(document).encode()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(1):
            await reader.read(CHUNK)  # closing before reading the request would lose the answer
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        writer.write(f"{head}connection: close\r\n\r\n".encode() + body)
        await writer.drain()
    writer.close()


def pipe(path: str = SOCKET) -> None:
    """Connect standard input and output to the agent until either ends."""
    link = socket.socket(socket.AF_UNIX)
    link.connect(path)

    def upwards() -> None:
        with suppress(OSError):
            while data := os.read(0, CHUNK):
                link.sendall(data)
        with suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=upwards, daemon=True).start()
    with suppress(OSError):
        while data := link.recv(CHUNK):
            while data:
                data = data[os.write(1, data) :]


if __name__ == "__main__":
    if sys.argv[1:] == ["pipe"]:
        pipe()
        os._exit(0)  # the other thread may still wait for input
    asyncio.run(Agent().serve())
