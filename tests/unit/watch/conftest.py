"""A real frontend on loopback, whose upstreams are a function."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from frontend.app import create_app
from frontend.config import Settings, Upstream
from frontend.server import Server

from lab.watch.feed import FeedEvent

UPSTREAMS = ("podinfo", "podinfo-east")
COLOURS = {"east": "#2563eb", "west": "#c2410c"}


def podinfo(cluster: str) -> httpx2.Response:
    """What podinfo says on /api/info, in the lab."""
    fields = {"hostname": f"podinfo-{cluster}-1", "version": "6.9.2", "color": COLOURS[cluster]}
    return httpx2.Response(200, json={**fields, "message": f"cluster={cluster}; Greetings from {cluster}"})


def proven(client: str = "west", server: str = "east") -> httpx2.Response:
    """What podinfo says on /headers behind Istio's proxy."""
    ends = f"By=spiffe://{server}.example/ns/test/sa/podinfo;URI=spiffe://{client}.example/ns/test/sa/frontend"
    return httpx2.Response(200, json={"X-Forwarded-Client-Cert": [ends]})


@dataclass
class LocalFrontend:
    """A frontend of West; its upstreams answer alternately from both clusters, or as `answer` says."""

    port: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    answer: Callable[[httpx2.Request], httpx2.Response] | None = None
    asked: int = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _upstream(self, request: httpx2.Request) -> httpx2.Response:
        if self.answer is not None:
            return self.answer(request)
        if request.url.path == "/headers":
            return proven()
        self.asked += 1
        return podinfo("east" if self.asked % 2 else "west")

    @contextmanager
    def running(self) -> Iterator[LocalFrontend]:
        """Run the process of the frontend, in a thread; always on the same port."""
        settings = Settings(
            cluster="west",
            pod="frontend-1",
            upstreams=tuple(Upstream(name=name, url=f"http://{name}:9898") for name in UPSTREAMS),
            default_upstream="podinfo",
            log_level="critical",
            **self.settings,
        )
        server = Server(create_app(settings, transport=httpx2.MockTransport(self._upstream)), settings)
        with socket.create_server(("127.0.0.1", self.port)) as listener:
            self.port = listener.getsockname()[1]
            thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
            thread.start()
            try:
                yield self
            finally:
                server.should_exit = True
                thread.join()


@pytest.fixture
def frontend() -> Iterator[LocalFrontend]:
    with LocalFrontend().running() as started:
        yield started


class Inbox:
    """Receives events and waits for those that a test expects."""

    def __init__(self) -> None:
        self._events: queue.Queue[FeedEvent] = queue.Queue()

    def __call__(self, event: FeedEvent) -> None:
        self._events.put(event)

    def next(self, name: str, **data: Any) -> FeedEvent:
        """Wait for an event of this name and with this data; others before it are dropped."""
        while True:
            event = self._events.get(timeout=30)
            if event.name == name and all(event.data[key] == value for key, value in data.items()):
                return event


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()
