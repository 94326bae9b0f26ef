"""Run the stage's server in this process: a thread of its own on 127.0.0.1, so that the main thread hears Ctrl-C."""

from __future__ import annotations

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
from lab.stage.security import HOST
from lab.stage.streams import MOST_MESSAGE

_BACKLOG = 128
_START_S = 30.0
_END_S = 1.0
"""How long requests may take to end, within the 2 s in which the stage ends."""


@contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Listen on a port of 127.0.0.1 while the block runs; 0 is any free port.

    Raises:
        UsageError: another program uses the port; the error names it.
        HostError: this user may not use it.
    """
    with socket.socket(socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a stage that has just ended
        try:
            listener.bind((HOST, port))
            listener.listen(_BACKLOG)
        except PermissionError as error:
            raise HostError(f"this user may not listen on port {port}", next="lab stage --port 7465") from error
        except OSError as error:
            raise UsageError(
                f"port {port} is in use by {_user_of(port)}", next=f"stop it, or: lab stage --port {port + 1}"
            ) from error
        yield listener


def _user_of(port: int) -> str:
    ends = [end for end in HostProbes().listeners() if end.port == port and end.process]
    return f"{ends[0].process} (pid {ends[0].pid})" if ends else "a program of another user"


@contextmanager
def serving(app: ASGIApp, listener: socket.socket, *, before_end: Callable[[], None]) -> Iterator[None]:
    """Serve an application while the block runs.

    Args:
        app: the application.
        listener: where it listens.
        before_end: ends the streams, which would keep the server from ending.
    """
    limits.allow_open_files()
    config = uvicorn.Config(
        app,
        access_log=False,
        date_header=False,
        h11_max_incomplete_event_size=32 << 10,
        http="h11",
        lifespan="off",
        log_config=None,
        log_level="error",
        loop="asyncio",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        ws="websockets-sansio",
        ws_max_size=MOST_MESSAGE,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=copy_context().run, args=(server.run, [listener]), name="stage-server", daemon=True
    )
    thread.start()
    try:
        wait.until(
            "the stage's server",
            lambda: server.started or NotYet("it starts") if thread.is_alive() else _ended(),
            timeout_s=_START_S,
            interval_s=0.02,
        )
        yield
    finally:
        before_end()
        server.should_exit = True
        thread.join(_END_S)
        if thread.is_alive():  # a request does not end: the process ends without it
            server.force_exit = True
            thread.join(_END_S / 2)


def _ended() -> bool:
    raise HostError("the stage's server ended while it started", next="lab stage --port 0")
