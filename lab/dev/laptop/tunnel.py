"""The tunnel's end on this machine: forwards connections from West to a process, and from the process to the cluster.

Its connection is `kubectl exec` into the agent's pod. After a break the tunnel connects again; meanwhile the agent
refuses requests at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from lab.base import process, wait
from lab.base.cancel import Cancelled
from lab.base.errors import LabError
from lab.base.wait import NotYet
from lab.dev.inpod.agent import SERVICE
from lab.dev.inpod.mux import Mux, RefusedError, Stream, splice
from lab.dev.laptop import loopback
from lab.dev.laptop.proxy import Proxy

Argv = Callable[[], Sequence[str | Path]]
"""Returns the command that connects its standard input and output to an agent; raises LabError if no agent runs."""
_AGAIN_S = 0.5
_CONNECTED_S = 90.0


@dataclass(kw_only=True)
class Tunnel:
    """One tunnel, in its own thread while the block runs.

    Args:
        argv: see `Argv`.
        port: the loopback port of the process.
        say: called with a message when the tunnel connects or disconnects.
    """

    argv: Argv
    port: int
    say: Callable[[str], None] = lambda _: None
    proxy: Proxy = field(init=False)
    _mux: Mux | None = None
    _child: Any = None
    _last: str = "nothing yet"
    _over: bool = False

    def __post_init__(self) -> None:
        self.proxy = Proxy(open=self._open)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tunnel", daemon=True)

    def __enter__(self) -> Self:
        """Start to connect; `wait_connected` returns after that."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.proxy.start(), self._loop).result()
        self._keeping = asyncio.run_coroutine_threadsafe(self._keep(), self._loop)
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection and all of its streams."""
        self._over = True
        self.cut()
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connected(self) -> bool:
        """Whether the agent has answered on the current connection."""
        return self._mux is not None and self._mux.alive.is_set()

    def wait_connected(self) -> None:
        """Wait until the agent has answered.

        Raises:
            WaitTimeout: it has not; the error has the last observation.
        """
        wait.until(
            "the tunnel to connect to the agent",
            lambda: self.connected or NotYet(self._last),
            timeout_s=_CONNECTED_S,
            interval_s=0.1,
        )

    def cut(self) -> None:
        """Break the connection; the tunnel connects again unless the block has ended."""
        if (child := self._child) is not None:
            process.stop(child)

    async def _keep(self) -> None:
        while not self._over:
            try:
                await self._once()
            except LabError as error:
                self._last = str(error)
            if not self._over:
                await asyncio.sleep(_AGAIN_S)

    async def _once(self) -> None:
        """Connect, and serve until the connection ends."""
        child = self._child = process.start(await asyncio.to_thread(self._command), piped=True)
        assert child.stdin and child.stdout and child.stderr  # noqa: S101, PT018 - piped
        complaints = asyncio.create_task(asyncio.to_thread(self._listen, child.stderr))
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), child.stdout)
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, child.stdin)
        mux = self._mux = Mux(reader, asyncio.StreamWriter(transport, protocol, None, loop), self._accept, first=2)
        telling = asyncio.create_task(self._tell(mux))
        try:
            await mux.run()
        finally:
            telling.cancel()
            was, self._mux = mux.alive.is_set(), None
            await asyncio.to_thread(process.stop, child)
            await complaints
        if was and not self._over:
            self.say("the tunnel lost its connection, connecting again")

    def _command(self) -> Sequence[str | Path]:
        try:
            return self.argv()
        except Cancelled as error:  # a KeyboardInterrupt would end the event loop, and the tunnel's end waits for it
            self._over = True
            raise LabError(str(error)) from error

    async def _tell(self, mux: Mux) -> None:
        await mux.alive.wait()
        self.say("the tunnel is connected")

    def _listen(self, stream: Any) -> None:
        with suppress(OSError, ValueError), stream:
            for line in stream:
                self._last = line.decode("utf-8", "replace").strip() or self._last

    async def _accept(self, stream: Stream, target: str) -> None:
        """Connect a stream to the process; the tunnel reaches nothing else on this machine."""
        mux = self._mux
        if mux is None or target != SERVICE:
            await stream.reset(f"this tunnel does not lead to {target}")
            return
        try:
            reader, writer = await loopback.connect(self.port)
        except OSError as error:
            await stream.reset(f"the process does not listen on port {self.port}: {error.strerror}")
            return
        await mux.accept(stream)
        await splice(stream, reader, writer)

    async def _open(self, target: str) -> Stream:
        if self._mux is None:
            raise RefusedError("the tunnel is not connected")
        return await self._mux.open(target)

    async def _end(self) -> None:
        self.proxy.close()
        with suppress(asyncio.CancelledError):
            await asyncio.wrap_future(self._keeping)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
