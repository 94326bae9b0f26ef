"""An API server on loopback with real lists and watches, which break, expire, fall silent, go away and come back."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lab.base.names import Cluster
from lab.kube import manifests
from lab.kube.objects import Obj
from tests.unit.fake_api import CLUSTER_WIDE, KINDS, _plural

PATIENCE_S = 20
"""How long a test waits for a thing to happen; it never takes that long."""


class ApiServer:
    """Objects, and everything that happened to them since `oldest`."""

    def __init__(self) -> None:
        self.came = threading.Condition()
        self.objects: dict[str, dict[tuple[str, str], Obj]] = {}
        self.log: list[tuple[int, str, str, Obj]] = []
        self.version, self.oldest = 1, 0
        self.asked: list[str] = []
        self.refused: dict[str, int] = {}
        """Statuses for paths that are refused."""
        self.silent = False
        """It accepts requests and does not answer."""
        self.resets = 0
        """How many connections it resets in their TLS handshake."""
        self.stalls = 0
        """How many connections it accepts and says nothing on, not even in their TLS handshake."""
        self.unanswered = 0
        """How many requests it reads and then ends the connection."""
        self.connections = 0
        self.unserved: set[str] = set()
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        self._server: _Server | None = None

    # What happens in the cluster

    def put(self, kind: str, name: str, namespace: str = "", *, api_version: str = "v1", **content: Any) -> Obj:
        """Create or change an object."""
        path, key = _path(api_version, kind), (namespace, name)
        with self.came:
            self.version += 1
            metadata = {
                "name": name,
                **({"namespace": namespace} if namespace else {}),
                "uid": f"uid-{namespace}-{name}",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                **content.pop("metadata", {}),
                "resourceVersion": str(self.version),
            }
            obj = {"metadata": metadata, **content}
            known = self.objects.setdefault(path, {})
            self._note("MODIFIED" if key in known else "ADDED", path, {**obj, "apiVersion": api_version, "kind": kind})
            known[key] = obj
        return obj

    def remove(self, kind: str, name: str, namespace: str = "", *, api_version: str = "v1") -> None:
        """Delete an object."""
        path = _path(api_version, kind)
        with self.came:
            self.version += 1
            obj = self.objects[path].pop((namespace, name))
            obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
            self._note("DELETED", path, {**obj, "apiVersion": api_version, "kind": kind})

    def bookmark(self, kind: str, *, api_version: str = "v1") -> None:
        """Tell all watches of a kind the newest version."""
        with self.came:
            self.version += 1
            obj = {"kind": kind, "apiVersion": api_version, "metadata": {"resourceVersion": str(self.version)}}
            self._note("BOOKMARK", _path(api_version, kind), obj)

    def _note(self, what: str, path: str, obj: Obj) -> None:
        self.log.append((self.version, what, path, obj))
        self.came.notify_all()

    # What happens to the server

    def expire(self) -> None:
        """Forget what happened: a watch from an older version gets 410 Gone."""
        with self.came:
            self.oldest, self.log = self.version, []

    def break_connections(self) -> None:
        """Close all connections in the middle of what they do."""
        if self._server is not None:
            self._server.break_connections()

    def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = _Server(self)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Stop listening, and break all connections."""
        if self._server is not None:
            server, self._server = self._server, None
            with self.came:
                server.over = True
                self.came.notify_all()
            server.shutdown()
            server.server_close()
            server.break_connections()

    # What a test looks for

    def wait(self, holds: Any) -> None:
        """Wait until a condition about this server holds."""
        with self.came:
            assert self.came.wait_for(holds, timeout=PATIENCE_S)

    def watches(self, kind: str, *, api_version: str = "v1") -> list[str]:
        """Return the requests for watches of a kind."""
        return [path for path in self.asked if path.startswith(_path(api_version, kind)) and "watch=" in path]

    def lists(self, kind: str, *, api_version: str = "v1") -> list[str]:
        """Return the requests for lists of a kind."""
        return [path for path in self.asked if path.startswith(_path(api_version, kind)) and "watch=" not in path]

    def cluster(self, folder: Path, name: str = "east") -> Cluster:
        """Return a cluster whose kubeconfig names this server."""
        file = folder / f"kubeconfig-{name}"
        write_kubeconfig(file, {name: self}, anchor=folder / "anchor.pem" if self.tls else None)
        return Cluster(name=name, context=name, kubeconfig=file, node=f"dev-{name}-control-plane")


def write_kubeconfig(file: Path, servers: Mapping[str, ApiServer], *, anchor: Path | None = None) -> None:
    """Write a kubeconfig with a context for each server."""
    file.parent.mkdir(parents=True, exist_ok=True)
    more = {"certificate-authority": str(anchor)} if anchor else {}
    scheme = "https" if anchor else "http"
    clusters = [
        {"name": name, "cluster": {"server": f"{scheme}://127.0.0.1:{api.port}", **more}}
        for name, api in servers.items()
    ]
    users = [{"name": name, "user": {}} for name in servers]
    contexts = [{"name": name, "context": {"cluster": name, "user": name}} for name in servers]
    document = {"clusters": clusters, "users": users, "contexts": contexts, "current-context": next(iter(servers))}
    file.write_text(manifests.dump(document))


@contextmanager
def serving(api: ApiServer) -> Iterator[ApiServer]:
    """Let a server serve while the block runs."""
    api.start()
    try:
        yield api
    finally:
        api.stop()


def _path(api_version: str, kind: str) -> str:
    return f"/{'apis' if '/' in api_version else 'api'}/{api_version}/{_plural(kind)}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, api: ApiServer) -> None:
        self.api, self.over = api, False
        self.open: set[socket.socket] = set()
        self.stalled: list[socket.socket] = []
        super().__init__(("127.0.0.1", api.port), _Handler)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        self.api.connections += 1
        if self.api.tls is not None:
            connection = self.api.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self.open.add(connection)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.api.resets:
            self.api.resets -= 1
            self.open.discard(request)
            request.recv(1)  # the client is connected and has begun its handshake
            request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.close()
        elif self.api.stalls:
            self.api.stalls -= 1
            self.stalled.append(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a connection that a test broke

    def break_connections(self) -> None:
        for one in list(self.open):
            with suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)
        for one in self.stalled:
            one.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        api, url = self.server.api, urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        with api.came:
            api.asked.append(self.path)
            api.came.notify_all()
            if api.unanswered:
                api.unanswered -= 1
                self.close_connection = True
                return
            if api.silent:
                api.came.wait_for(lambda: not api.silent or self.server.over)
        if url.path in api.refused:
            self._json({"message": "refused by the test"}, status=api.refused[url.path])
        elif url.path in {"/readyz", "/livez"}:
            self._send(b"ok")
        elif url.path.removeprefix("/apis/").removeprefix("/api/") in KINDS:
            self._discovery(url.path.removeprefix("/apis/").removeprefix("/api/"))
        elif "watch" in query:
            self._watch(url.path, int(query["resourceVersion"]), float(query["timeoutSeconds"]))
        else:
            self._list(url.path, query)

    def _discovery(self, version: str) -> None:
        kinds = [kind for kind in KINDS[version] if kind not in self.server.api.unserved]
        served = [{"kind": k, "name": _plural(k), "namespaced": k not in CLUSTER_WIDE} for k in kinds]
        self._json({"resources": served})

    def _list(self, path: str, query: dict[str, str]) -> None:
        api = self.server.api
        with api.came:
            known = sorted(api.objects.get(path, {}).items())
            version = api.version
        start, size = int(query.get("continue", 0)), int(query.get("limit", 10**6))
        items, end = [obj for _, obj in known[start : start + size]], start + size
        more = {"continue": str(end)} if end < len(known) else {}
        self._json({"metadata": {"resourceVersion": str(version), **more}, "items": items})

    def _watch(self, path: str, version: int, timeout_s: float) -> None:
        api, deadline = self.server.api, time.monotonic() + timeout_s
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with api.came:
            if version < api.oldest:
                status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
                self._event({"type": "ERROR", "object": status})
                self.wfile.write(b"0\r\n\r\n")
                return
        while not self.server.over:
            with api.came:
                news = [entry for entry in api.log if entry[0] > version and entry[2] == path]
                if not news and not api.came.wait(timeout=max(0.0, deadline - time.monotonic())):
                    break
            for number, what, _, obj in news:
                self._event({"type": what, "object": obj})
                version = number
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, event: Obj) -> None:
        line = json.dumps(event).encode() + b"\n"
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.flush()

    def _json(self, value: Any, *, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), status=status)

    def _send(self, body: bytes, *, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
