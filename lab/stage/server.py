"""Run a server in this process: in a thread of its own, so that the main thread hears Ctrl-C.

There are two: the stage's on 127.0.0.1, and the audience's (`audience/`), which has a protocol of its own.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context

import uvicorn
from starlette.types import ASGIApp

from lab.base import limits, wait
from lab.base.errors import HostError, UsageError
from lab.base.wait import NotYet
from lab.host.doctor.snapshot import HostProbes
from lab.stage.console_socket import MOST_MESSAGE
from lab.stage.security import HOST

_BACKLOG = 128
_MOST_HEAD = 32 << 10
_KEEP_ALIVE_S = 5
_START_S = 30.0
_END_S = 1.0
"""How long requests may take to end, within the 2 s in which the stage ends."""


@contextmanager
def listening(port: int, *, command: str = "lab stage") -> Iterator[socket.socket]:
    """Listen on a port of 127.0.0.1 while the block runs; 0 is any free port. `command` is for errors.

    Raises:
        UsageError: another program uses the port; the error names it.
        HostError: this user may not use it.
    """
    try:
        listener = socket.create_server((HOST, port), backlog=_BACKLOG)
    except PermissionError as error:
        raise HostError(f"this user may not listen on port {port}", next=f"{command} --port 7465") from error
    except OSError as error:
        raise UsageError(
            f"port {port} is in use by {_user_of(port)}", next=f"stop it, or take any free port: {command} --port 0"
        ) from error
    with listener:
        yield listener


def _user_of(port: int) -> str:
    ends = [end for end in HostProbes().listeners() if end.port == port and end.process]
    return f"{ends[0].process} (pid {ends[0].pid})" if ends else "a program of another user"


@contextmanager
def serving(
    app: ASGIApp,
    listener: socket.socket,
    *,
    before_end: Callable[[], None],
    name: str = "stage",
    protocol: type[asyncio.Protocol] | None = None,
    most_head: int = _MOST_HEAD,
    most_message: int | None = MOST_MESSAGE,
) -> Iterator[None]:
    """Serve an application while the block runs.

    Args:
        app: the application.
        listener: where it listens.
        before_end: ends the streams, which would keep the server from ending.
        name: whose server it is, for errors.
        protocol: HTTP of another kind than uvicorn's own on h11.
        most_head: bytes of a request's line and headers.
        most_message: bytes of a message of a WebSocket; None for a server without WebSockets.
    """
    limits.allow_open_files()
    config = uvicorn.Config(
        app,
        access_log=False,
        date_header=False,
        h11_max_incomplete_event_size=most_head,
        http=protocol or "h11",
        lifespan="off",
        log_config=None,
        log_level="error",
        loop="asyncio",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=_KEEP_ALIVE_S,
        ws="none" if most_message is None else "websockets-sansio",
        ws_max_size=most_message or 0,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=copy_context().run, args=(server.run, [listener]), name=f"{name}-server", daemon=True
    )

    def is_up() -> bool | NotYet:
        if not thread.is_alive():
            raise HostError(f"the {name}'s server ended while it started", next=f"lab {name}")
        return server.started or NotYet("it starts")

    thread.start()
    try:
        wait.until(f"the {name}'s server", is_up, timeout_s=_START_S, interval_s=0.02)
        yield
    finally:
        before_end()
        server.should_exit = True
        thread.join(_END_S)
        if thread.is_alive():  # a request does not end: the process ends without it
            server.force_exit = True
            thread.join(_END_S / 2)
