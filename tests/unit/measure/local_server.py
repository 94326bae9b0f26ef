"""An HTTP server on loopback that fails as it is told to: a plain target, and a frontend with its API."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Mode(Enum):
    """What the server does with a request."""

    ANSWER = auto()
    CLOSE = auto()
    """Close the connection without an answer."""
    SHORT = auto()
    """Announce more of a body than is sent, then close."""
    DRIP = auto()
    """Send a body without an end, a byte now and then."""
    HANG = auto()
    """Say nothing until the test ends."""
    ERROR = auto()
    REDIRECT = auto()


@dataclass
class LocalServer:
    """The server; a GET of /mode/NAME changes its mode, so that a command under load can do it.

    `asked` has the paths of all requests; a request with `?hold=N` is answered after N further ones have come.
    """

    mode: Mode = Mode.ANSWER
    cluster: str = "west"
    upstreams: tuple[str, ...] = ("podinfo", "podinfo-east")
    is_frontend: bool = True
    refusal: str = ""
    """Why the frontend refuses a stream."""
    port: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def note(self, path: str) -> None:
        with self.came:
            self.asked.append(path)
            self.came.notify_all()

    def hold(self, further: int) -> None:
        with self.came:
            until = len(self.asked) + further
            self.came.wait_for(lambda: len(self.asked) >= until, timeout=30)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    state: LocalServer

    def do_GET(self) -> None:
        state, url = self.state, urlsplit(self.path)
        state.note(self.path)
        if url.path.startswith("/mode/"):
            state.mode = Mode[url.path.removeprefix("/mode/")]
            state.hold(int(parse_qs(url.query)["hold"][0]))
            self._json({})
        elif url.path == "/api/upstreams" and state.is_frontend:
            self._json({"upstreams": [{"name": name} for name in state.upstreams]})
        elif url.path == "/api/stream":
            self._stream(float(parse_qs(url.query)["rate"][0]), once="count" in url.query)
        elif state.mode is not Mode.ANSWER:
            self._fail(state.mode)
        elif url.path == "/api/answers":
            self._json({"answers": [{"cluster": state.cluster, "pod": "podinfo-1", "error": None}]})
        else:
            self._json({})

    def _fail(self, mode: Mode) -> None:
        if mode is Mode.ERROR:
            self._json({"error": "broken"}, status=500)
        elif mode is Mode.REDIRECT:
            self._json({}, status=302)
        elif mode is Mode.HANG:
            self.state.over.wait(30)
        elif mode in {Mode.SHORT, Mode.DRIP}:
            self.send_response(200)
            self.send_header("content-length", "1000000")
            self.end_headers()
            self.wfile.write(b"x")
            while mode is Mode.DRIP and not self.state.over.wait(0.02):
                self.wfile.write(b"x")

    def _stream(self, rate_per_s: float, *, once: bool) -> None:
        if self.state.refusal:
            self._json({"error": {"what": self.state.refusal}}, status=503)
            return
        self.send_response(200)
        self.end_headers()
        n = 1
        while n == 1 or not (once or self.state.over.wait(1 / rate_per_s)):
            failed = self.state.mode is not Mode.ANSWER
            answer = {
                "n": n,
                "sent_at": datetime.now(UTC).isoformat(),
                "latency_ms": 1.0,
                "cluster": None if failed else self.state.cluster,
                "pod": None if failed else "podinfo-1",
                "error": {"kind": "refused", "detail": "no"} if failed else None,
            }
            self.wfile.write(f"event: answer\ndata: {json.dumps(answer)}\n\n".encode())
            self.wfile.flush()
            n += 1

    def _json(self, document: object, *, status: int = 200) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *_: object) -> None: ...  # a client that has gone is a part of the test


@contextmanager
def serving() -> Iterator[LocalServer]:
    """Serve on a free port while the block runs."""
    state = LocalServer()
    with _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state})) as server:
        state.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            state.over.set()
            server.shutdown()
            thread.join()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
