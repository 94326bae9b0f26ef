"""A registry and a server of releases on 127.0.0.1, and what goes wrong with them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Event

from tests.local_http import served

CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.index.v1+json"
PORTAL = b"<!DOCTYPE html><html><body>Welcome to the hotel's network. Log in.</body></html>"


_CATALOG = """
[chart]
title = "the chart"
kind = "files"
version = "2.0"
upstream = { chart = "ingress", registry = "HOST/charts" }
estimate_s = 1

[ctl]
title = "the CLI"
kind = "binaries"
version = "1.9"
recipe = "write"
text = "built"
path = "bin/ctl"
estimate_s = 1
[ctl.upstream]
version = "2.0"
url = "http://HOST/v{version}/ctl-{platform}"
checksum = ".sha256"
as_file = "bin/ctl"

[crds]
title = "the CRDs"
kind = "files"
version = "2.0"
upstream = { url = "http://HOST/crds.yaml", as_file = "crds.yaml" }
estimate_s = 1
"""


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def packed(files: Mapping[str, str]) -> bytes:
    """Return a packed tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return stream.getvalue()


@dataclass(kw_only=True)
class Trouble:
    """How the next requests of a path are answered instead."""

    times: int = 1
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_after: int | None = None
    """Send so much of the page, then close the connection."""
    stall: bool = False
    """Send the beginning, then nothing, until the client gives up."""


@dataclass
class Site:
    """Pages by path, and the requests so far."""

    host: str = ""
    pages: dict[str, bytes] = field(default_factory=lambda: {"/v2/": b"{}"})
    types: dict[str, str] = field(default_factory=dict)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    resumes: bool = True
    closed: Event = field(default_factory=Event)

    @property
    def catalog(self) -> str:
        """The tables of `chart`, of `release`, and of a file without a checksum file."""
        return _CATALOG.replace("HOST", self.host)

    def image(self, name: str, content: bytes = b'{"schemaVersion": 2}') -> str:
        """Publish a manifest under `repository:tag` and its digest; return the digest."""
        repository, _, tag = name.rpartition(":")
        for version in (tag, digest(content)):
            self._put(f"/v2/{repository}/manifests/{version}", content, MANIFEST)
        return digest(content)

    def chart(self, word: str, *, content: bytes | None = None) -> str:
        """Publish a chart as `charts/ingress:2.0`, its layer perhaps with another content; return its digest."""
        layer = packed({"ingress/Chart.yaml": "name: ingress\nversion: 2.0\n", "ingress/values.yaml": word})
        manifest = json.dumps({"layers": [{"mediaType": CHART_LAYER, "digest": digest(layer)}]}).encode()
        self._put(f"/v2/charts/ingress/blobs/{digest(layer)}", layer if content is None else content)
        return self.image("charts/ingress:2.0", manifest)

    def release(self, content: bytes, *, sha256: str | None = None, path: str = "/v2.0/ctl-linux-amd64") -> None:
        """Publish a file of a release, and its checksum file, perhaps with another digest."""
        self._put(path, content)
        told = sha256 or digest(content).removeprefix("sha256:")
        self._put(f"{path}.sha256", f"{told}  ctl-linux-amd64\n".encode(), "text/plain")

    def _put(self, path: str, content: bytes, kind: str = "application/octet-stream") -> None:
        self.pages[path], self.types[path] = content, kind


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        site, path = self.site, self.path
        site.asked.append(f"{self.command} {path}")
        trouble = site.troubles.get(path)
        if trouble is not None and trouble.times > 0:
            trouble.times -= 1
            self._misbehave(trouble, body=body)
            return
        content = site.pages.get(path)
        if content is None:
            self._send(404, {"Content-Type": "text/plain"}, b"not found", body=body)
            return
        headers = {"Content-Type": site.types.get(path, "application/json"), "ETag": f'"{digest(content)}"'}
        if "/manifests/" in path:
            headers["Docker-Content-Digest"] = digest(content)
        wanted = self.headers.get("Range")
        if wanted and site.resumes and self.headers.get("If-Range") == headers["ETag"]:
            site.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(206, headers, content[start:], body=body)
            return
        self._send(200, headers, content, body=body)

    def _misbehave(self, trouble: Trouble, *, body: bool) -> None:
        is_partial = trouble.cut_after is not None or trouble.stall
        content = self.site.pages.get(self.path, b"") if is_partial else trouble.body
        headers = {"ETag": f'"{digest(content)}"', "Content-Type": "application/octet-stream", **trouble.headers}
        if not is_partial:
            self._send(trouble.status, headers, content, body=body)
            return
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: trouble.cut_after])
        self.wfile.flush()
        if trouble.stall:
            self.site.closed.wait(10)
        self.close_connection = True

    def _send(self, status: int, headers: Mapping[str, str], content: bytes, *, body: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Site]:
    """Serve a site while the block runs."""
    site = Site()
    with served(type("Handler", (_Handler,), {"site": site})) as site.host:
        try:
            yield site
        finally:
            site.closed.set()
