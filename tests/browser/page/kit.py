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
_HEAD_BYTES = 16 * 1024


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
            await asyncio.sleep(0.1)  # the sockets of the ended connections close in the next rounds of the loop

        self.run(cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def response(status: str, body: bytes, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "connection: close", "", ""]).encode() + body


def as_json(document: object) -> bytes:
    return response("200 OK", json.dumps(document).encode(), content_type="application/json")


class Server:
    """An HTTP server on 127.0.0.1 that can be stopped, and started again on its port."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        async def begin() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

        self._loop.run(begin())

    def stop(self) -> None:
        """Refuse connections from now on; requests under way are still answered."""

        async def end() -> None:
            if self._server is not None:
                self._server.close()
                self._server = None

        self._loop.run(end())

    async def answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                await self.answer(head.split(b" ", 2)[1].decode(), writer)
                await writer.drain()
        finally:
            writer.close()


class Podinfo(Server):
    """What a frontend reaches behind one name: pods of one or more clusters, and what can go wrong on the way.

    Args:
        loop: where it runs.
        weights: the share of each cluster in the answers.
        failures: the share of each kind of failure: connect is done by `stop`.
        latency_ms: how long an answer takes.
        identities: the headers that a mesh's proxy adds in front of podinfo, by cluster.
    """

    def __init__(
        self,
        loop: Loop,
        weights: Mapping[str, float],
        *,
        failures: Mapping[str, float] | None = None,
        latency_ms: float = 2,
        identities: Mapping[str, Mapping[str, str]] | None = None,
        seed: int = 1,
    ) -> None:
        super().__init__(loop)
        self.weights = dict(weights)
        self.failures = dict(failures or {})
        self.latency_ms = latency_ms
        self.identities = dict(identities or {})
        self.served: Counter[str] = Counter()
        """Whole answers to /api/info, by cluster: what a client cannot have lost."""
        self.failed = 0
        self._chance = random.Random(seed)

    async def answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        (cluster,) = self._chance.choices([*self.weights], [*self.weights.values()])
        await asyncio.sleep(self.latency_ms * self._chance.uniform(0.6, 1.6) / 1000)
        kinds = [*self.failures, "none"]
        (kind,) = self._chance.choices(kinds, [*self.failures.values(), max(0.0, 1 - sum(self.failures.values()))])
        if kind == "none" and path == "/headers":
            given = {name: [value] for name, value in self.identities.get(cluster, {}).items()}
            writer.write(as_json({"Accept": ["*/*"], **given}))
        elif kind == "none":
            self.served[cluster] += 1
            writer.write(as_json(info(cluster)))
        else:
            self.failed += path != "/headers"
            await self._fail(kind, writer)

    @staticmethod
    async def _fail(kind: str, writer: asyncio.StreamWriter) -> None:
        if kind == "timeout":
            await asyncio.sleep(60)
        elif kind == "broken":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")
        elif kind == "body":
            writer.write(response("200 OK", b"<html>a proxy's page</html>"))
        elif kind == "refused":
            writer.write(response("403 Forbidden", b"RBAC: access denied", server="istio-envoy"))
        else:
            writer.write(response("503 Service Unavailable", b"no healthy upstream", server="envoy"))


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

    async def answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        if self.down:
            writer.write(response("503 Service Unavailable", b"etcd is down"))
        elif path.endswith("/httproutes"):
            writer.write(as_json({"items": [self._route(*one) for one in self.weights.items()]}))
        else:
            writer.write(response("404 Not Found", b"{}"))

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
            "REQUEST_TIMEOUT_S": "1",
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
