"""Run the `main.py` of a folder in a pod, and restart it when a new version arrives. Standard library only.

`serve` is the pod's main process. Kubernetes' exec runs `put`, which reads an archive from standard input (eight bytes
of length first), passes it to `serve` and prints the result as JSON.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal
import socket
import struct
import sys
import time
import zipfile
from collections import deque
from contextlib import suppress
from pathlib import Path

SOCKET = "/tmp/runner"  # noqa: S108 - in a container with one user
WORK = Path("/work")
MAIN = "main.py"
PORT = 8080
LENGTH = struct.Struct(">Q")
_GRACE_S = 2.0
_LISTENS_S = 20.0
_STARTS_S = 15.0
_KEPT_LINES = 15
_CHUNK = 64 << 10


class Runner:
    """Runs one program at a time.

    Args:
        work: a folder for the program's files.
        port: the port that the program must listen on; passed as PORT.
    """

    def __init__(self, work: Path = WORK, port: int = PORT) -> None:
        self._work, self._port = work, port
        self._child: asyncio.subprocess.Process | None = None
        self._last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._putting = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None

    async def put(self, archive: bytes) -> dict[str, object]:
        """Unpack a folder, replace the running program by it, and return when it listens or has ended."""
        async with self._putting:
            began = time.monotonic()
            new, code = self._work / "new", self._work / "code"
            shutil.rmtree(new, ignore_errors=True)
            with zipfile.ZipFile(io.BytesIO(archive)) as files:
                files.extractall(new)
            await self.stop()
            shutil.rmtree(code, ignore_errors=True)
            new.rename(code)
            problem = await self._start(code)
            return {"problem": problem, "seconds": round(time.monotonic() - began, 3)}

    async def resume(self) -> None:
        """Run the files that a container before this one left in the volume."""
        if (self._work / "code" / MAIN).exists():
            await self._start(self._work / "code")

    async def stop(self) -> None:
        """Stop the program with SIGTERM, then with SIGKILL."""
        child = self._child
        if child is None or child.returncode is not None:
            return
        child.terminate()
        try:
            await asyncio.wait_for(child.wait(), _GRACE_S)
        except TimeoutError:
            child.kill()
            await child.wait()

    async def _start(self, code: Path) -> str:
        """Start the program and wait until it listens; return the problem, or nothing."""
        self._last_lines.clear()
        env = {**os.environ, "PORT": str(self._port), "HOST": "0.0.0.0", "PYTHONPATH": os.environ.get("CODE_PATH", "")}  # noqa: S104 - in a pod
        child = self._child = await asyncio.create_subprocess_exec(
            sys.executable, MAIN, cwd=code, env=env, stderr=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read(child))
        deadline = time.monotonic() + _LISTENS_S
        while time.monotonic() < deadline:
            if child.returncode is not None:
                await self._reading
                return "\n".join([f"{MAIN} exited with {child.returncode}", *self._last_lines])
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return ""
            await asyncio.sleep(0.02)
        return "\n".join(
            [
                f"timed out after {_LISTENS_S:g} s waiting for {MAIN} to listen on port {self._port} (PORT)",
                *self._last_lines,
            ]
        )

    async def _read(self, child: asyncio.subprocess.Process) -> None:
        assert child.stderr is not None  # noqa: S101 - opened above
        while line := await child.stderr.readline():
            sys.stderr.buffer.write(line)
            sys.stderr.flush()
            self._last_lines.append(line.decode("utf-8", "replace").rstrip())
        await child.wait()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one `put`."""
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        try:
            result = await self.put(await reader.readexactly(length))
        except (OSError, zipfile.BadZipFile) as error:
            result = {"problem": f"the folder could not be unpacked: {error}", "seconds": 0}
        writer.write(json.dumps(result).encode())
        await writer.drain()
        writer.close()

    async def serve(self, path: str = SOCKET) -> None:
        """Serve until SIGTERM."""
        over = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - left by a container before this one
        server = await asyncio.start_unix_server(self.handle, path)
        await self.resume()
        await over.wait()
        server.close()
        await self.stop()


def connection(path: str) -> socket.socket:
    """Return a connection to `serve`; wait for it in a container that has just started."""
    deadline = time.monotonic() + _STARTS_S
    while True:
        link = socket.socket(socket.AF_UNIX)
        try:
            link.connect(path)
        except (FileNotFoundError, ConnectionRefusedError) as error:  # no socket yet, or that of a container before
            link.close()
            if time.monotonic() > deadline:
                sys.exit(f"timed out after {_STARTS_S:g} s waiting for the pod's main process to listen: {error}")
            time.sleep(0.05)
        else:
            return link


def put(path: str = SOCKET) -> None:
    """Pass standard input to the runner and print its answer."""
    head = b""
    while len(head) < LENGTH.size and (data := os.read(0, LENGTH.size - len(head))):
        head += data
    with connection(path) as link:
        link.sendall(head)
        left = LENGTH.unpack(head)[0]
        while left:
            data = os.read(0, min(left, _CHUNK))
            if not data:
                sys.exit("the archive ended too early")
            link.sendall(data)
            left -= len(data)
        while data := link.recv(_CHUNK):
            sys.stdout.buffer.write(data)


if __name__ == "__main__":
    if sys.argv[1:] == ["put"]:
        put()
    else:
        asyncio.run(Runner().serve())
