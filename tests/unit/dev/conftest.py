from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.base import wait
from lab.base.wait import NotYet
from lab.dev.inpod.agent import Agent
from lab.dev.laptop.tunnel import Tunnel


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/large":
            body = b"x" * (8 << 20)
        else:
            body = (
                f"{self.server.name} {self.path} {self.headers['host']} {self.headers['proxy-authorization']}".encode()
            )  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 64
    name = ""

    def handle_error(self, *_: object) -> None:
        """A client that goes away in the middle is part of these tests."""


class IPv6Server(Server):
    address_family = socket.AF_INET6


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Start HTTP servers that say their name; returns each one's port."""
    servers: list[Server] = []

    def start(name: str, address: str = "127.0.0.1") -> int:
        server = (IPv6Server if ":" in address else Server)((address, 0), Handler)
        server.name = name
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return int(server.server_address[1])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@dataclass
class Stage:
    """An agent as it runs in a pod, and a tunnel to it through a real child process."""

    socket_path: str
    port: int = 0
    health: int = 0
    said: list[str] = field(default_factory=list)

    def tunnel(self, to_port: int) -> Tunnel:
        code = f"from lab.dev.inpod.agent import pipe; pipe({self.socket_path!r}); import os; os._exit(0)"
        return Tunnel(argv=lambda: [sys.executable, "-c", code], port=to_port, say=self.said.append)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An agent that serves."""
    made = Stage(socket_path=str(tmp_path / "tunnel"))
    loop = asyncio.new_event_loop()
    agent = Agent()

    async def serve() -> list[asyncio.Server]:
        inbound = await asyncio.start_server(agent.inbound, "127.0.0.1", 0)
        health = await asyncio.start_server(agent.health, "127.0.0.1", 0)
        made.port, made.health = (int(one.sockets[0].getsockname()[1]) for one in (inbound, health))
        return [inbound, health, await asyncio.start_unix_server(agent.attach, made.socket_path)]

    async def end() -> None:
        for server in servers:
            server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    servers = asyncio.run_coroutine_threadsafe(serve(), loop).result()
    yield made
    asyncio.run_coroutine_threadsafe(end(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def until(probe: Callable[[], bool]) -> None:
    wait.until("as expected", lambda: probe() or NotYet("not so"), timeout_s=20, interval_s=0.05)
