"""A real frontend process with small real upstreams that answer like podinfo, and a small Kubernetes API."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests

from lab.base import wait
from lab.base.paths import PROJECT
from lab.base.wait import TransientError

T = TypeVar("T")
COLORS = {"east": "#0072b2", "west": "#e69f00", "north": "#009e73"}


class Loop:
    """An event loop in a thread of its own, for the servers of a test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="upstreams", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        async def cancel() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def response(status: str, body: bytes, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "connection: close", "", ""]).encode() + body


def as_json(document: object, **headers: str) -> bytes:
    return response("200 OK", json.dumps(document).encode(), content_type="application/json", **headers)


class Server:
    """An HTTP server on 127.0.0.1 that can be stopped, and started again on its port."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._listener: socket.socket | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        async def begin() -> None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
            self._listener.setblocking(False)
            self.port = self._listener.getsockname()[1]
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

        self._loop.run(begin())

    def stop(self) -> None:
        """Refuse connections from now on; requests under way are still answered."""

        async def end() -> None:
            if self._listener is not None:
                asyncio.get_running_loop().remove_reader(self._listener)
                self._listener.close()
                self._listener = None

        self._loop.run(end())

    async def answer(self, path: str) -> bytes:
        """Return all that is sent before the connection is closed."""
        raise NotImplementedError

    async def handle(self, connection: socket.socket) -> None:
        loop, head = asyncio.get_running_loop(), b""
        while b"\r\n\r\n" not in head:
            if not (chunk := await loop.sock_recv(connection, 65536)):
                return
            head += chunk
        await loop.sock_sendall(connection, await self.answer(head.split(b" ", 2)[1].decode()))

    def _accept(self) -> None:
        # Not asyncio's own server: one that is closed while it accepts leaves a connection open for ever (Python 3.11).
        assert self._listener is not None
        with suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            task = asyncio.create_task(self._guarded(connection))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _guarded(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            await self.handle(connection)


class Podinfo(Server):
    """What a frontend reaches behind one name: pods of one or more clusters, and what can go wrong on the way.

    Args:
        loop: where it runs.
        weights: the share of each cluster in the answers.
        failures: the share of each kind of failure: connect is done by `stop`.
        latency_ms: how long an answer takes.
        identities: the headers that a mesh's proxy adds in front of podinfo, by cluster.
        attempts: what Envoy adds to an answer: how often it sent the request; 0 for a proxy that does not tell it.
    """

    def __init__(
        self,
        loop: Loop,
        weights: Mapping[str, float],
        *,
        failures: Mapping[str, float] | None = None,
        latency_ms: float = 2,
        identities: Mapping[str, Mapping[str, str]] | None = None,
        attempts: int = 0,
        seed: int = 1,
    ) -> None:
        super().__init__(loop)
        self.attempts = attempts
        self.weights = dict(weights)
        self.failures = dict(failures or {})
        self.latency_ms = latency_ms
        self.identities = dict(identities or {})
        self.served: Counter[str] = Counter()
        """Whole answers to /api/info, by cluster: what a client cannot have lost."""
        self._chance = random.Random(seed)

    async def answer(self, path: str) -> bytes:
        (cluster,) = self._chance.choices([*self.weights], [*self.weights.values()])
        await asyncio.sleep(self.latency_ms * self._chance.uniform(0.6, 1.6) / 1000)
        kinds = [*self.failures, "none"]
        (kind,) = self._chance.choices(kinds, [*self.failures.values(), max(0.0, 1 - sum(self.failures.values()))])
        if kind != "none":
            return await self._failure(kind)
        if path == "/headers":
            given = {name: [value] for name, value in self.identities.get(cluster, {}).items()}
            return as_json({"Accept": ["*/*"], **given})
        self.served[cluster] += 1
        told = {"x_envoy_attempt_count": str(self.attempts)} if self.attempts else {}
        return as_json(info(cluster), **told)

    @staticmethod
    async def _failure(kind: str) -> bytes:
        match kind:
            case "timeout":
                await asyncio.sleep(60)
                return b""
            case "broken":
                return b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"
            case "body":
                return response("200 OK", b"<html>a proxy's page</html>")
            case "refused":
                return response("403 Forbidden", b"RBAC: access denied", server="istio-envoy")
        return response("503 Service Unavailable", b"no healthy upstream", server="envoy")


def info(cluster: str) -> Mapping[str, str]:
    """What podinfo 6.9.2 says on /api/info, with the lab's settings."""
    return {
        "hostname": f"podinfo-6c5b9f7d84-{cluster[:2]}4kq",
        "version": "6.9.2",
        "color": COLORS.get(cluster, ""),
        "message": f"cluster={cluster}; greetings from {cluster.capitalize()}",
    }


def istio(client: str, server: str) -> Mapping[str, str]:
    """The header that Istio's proxy in front of podinfo adds."""
    by = f"spiffe://{server}.example/ns/test/sa/podinfo"
    uri = f"spiffe://{client}.example/ns/test/sa/frontend"
    return {"X-Forwarded-Client-Cert": f'By={by};Hash={"46" * 32};Subject="";URI={uri}'}


def linkerd(client: str, server: str) -> Mapping[str, str]:
    """The headers that Linkerd's proxy in front of podinfo adds; across clusters its peer is the gateway."""
    caller = f"frontend.test.serviceaccount.identity.linkerd.{client}.example"
    if client == server:
        return {"L5d-Client-Id": caller}
    gateway = f"linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.{server}.example"
    return {
        "L5d-Client-Id": gateway,
        "Forwarded": f"by={gateway};for={caller};host=podinfo.test.svc.cluster.local:9898;proto=https",
    }


@dataclass
class Api(Server):
    """A Kubernetes API with the HTTPRoutes of a test; `down` answers 503."""

    loop: Loop
    weights: dict[str, Mapping[str, int]] = field(default_factory=dict)
    down: bool = False
    calls: int = 0

    def __post_init__(self) -> None:
        super().__init__(self.loop)

    async def answer(self, path: str) -> bytes:
        self.calls += 1
        if self.down:
            return response("503 Service Unavailable", b"etcd is down")
        if path.endswith("/httproutes"):
            return as_json({"items": [self._route(*one) for one in self.weights.items()]})
        return response("404 Not Found", b"{}")

    @staticmethod
    def _route(service: str, weights: Mapping[str, int]) -> object:
        backends = [{"kind": "Service", "name": name, "port": 80, "weight": weight} for name, weight in weights.items()]
        return {
            "metadata": {"name": f"{service}-split-80"},
            "spec": {"parentRefs": [{"kind": "Service", "name": service}], "rules": [{"backendRefs": backends}]},
        }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Frontend:
    """The real frontend as a process of its own."""

    upstreams: Mapping[str, str]
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        env = {
            **os.environ,
            "PYTHONPATH": str(PROJECT / "apps" / "frontend"),
            "CLUSTER_NAME": "west",
            "POD_NAME": "frontend-7c9d8b6f5d-x2kqp",
            "UPSTREAMS": ",".join(f"{name}={url}" for name, url in self.upstreams.items()),
            "PORT": str(self.port),
            "LOG_LEVEL": "warning",
            # On a busy machine a request waits for the processor: only a test of time limits has a short one.
            "CONNECT_TIMEOUT_S": "60",
            "REQUEST_TIMEOUT_S": "60",
            **self.env,
        }
        self._process = subprocess.Popen([sys.executable, "-m", "frontend"], env=env)
        wait.until("the frontend", self._answers, timeout_s=60, interval_s=0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def kill(self) -> None:
        """End it without a word, as a node that loses its power."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(60)
        self._process = None

    def get(self, path: str) -> Any:
        return requests.get(f"{self.url}{path}", timeout=10).json()

    def mark(self, text: str, *, kind: str = "fault", intended: bool = False) -> None:
        body = {"text": text, "kind": kind, "intended": intended}
        assert requests.post(f"{self.url}/api/marks", json=body, timeout=10).status_code == 201

    def _answers(self) -> bool:
        try:
            return bool(self.get("/healthz"))
        except requests.RequestException as error:
            raise TransientError(str(error)) from error


@contextmanager
def running(upstreams: Mapping[str, Podinfo], api: Api | None = None, **env: str) -> Iterator[Frontend]:
    """Run upstreams, their API and a frontend while the block runs."""
    servers: Sequence[Server] = [*upstreams.values(), *([api] if api else [])]
    for server in servers:
        server.start()
    if api is not None:
        env = {"KUBERNETES_API_URL": api.url, "NAMESPACE": "test", **env}
    frontend = Frontend({name: upstream.url for name, upstream in upstreams.items()}, env)
    try:
        frontend.start()
        yield frontend
    finally:
        frontend.stop()
        for server in servers:
            server.stop()
