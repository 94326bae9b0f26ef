"""Builds that upstream publishes: resolved once, checked by digest, and never asked for again."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from lab.artifacts.catalog import parse
from lab.artifacts.make import make
from lab.artifacts.resolver import Match, NotFound
from lab.artifacts.store import ArtifactStore
from lab.base.errors import ArtifactError

CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def packed(word: str) -> bytes:
    """Return a packed chart."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, text in (("ingress/Chart.yaml", "name: ingress\nversion: 2.0\n"), ("ingress/values.yaml", word)):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return stream.getvalue()


@dataclass
class Web:
    """A registry and a place of releases, on 127.0.0.1; `asked` is what it was asked for."""

    host: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def chart(self, word: str, *, content: bytes | None = None) -> str:
        """Publish a chart as `charts/ingress:2.0`, its layer perhaps with another content; return its digest."""
        layer = packed(word)
        manifest = json.dumps({"layers": [{"mediaType": CHART_LAYER, "digest": digest(layer)}]}).encode()
        path = "/v2/charts/ingress"
        self.pages[f"{path}/manifests/2.0"] = self.pages[f"{path}/manifests/{digest(manifest)}"] = manifest
        self.pages[f"{path}/blobs/{digest(layer)}"] = layer if content is None else content
        return digest(manifest)

    def program(self, content: bytes, *, sha256: str | None = None) -> None:
        """Publish a program's release."""
        told = f"sha256:{sha256}" if sha256 else digest(content)
        release = {"assets": [{"name": "other", "digest": None}, {"name": "ctl", "digest": told}]}
        self.pages["/mesh/tool/releases/download/v2/ctl"] = content
        self.pages["/repos/mesh/tool/releases/tags/v2"] = json.dumps(release).encode()


@pytest.fixture
def web() -> Iterator[Web]:
    site = Web(pages={"/v2/": b"{}"})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            content = site.pages.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.host = f"127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def open_store(
    web: Web, make_store: Callable[..., ArtifactStore], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ArtifactStore]:
    """Return a function that opens the store as the next command would."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("lab.artifacts.published._GITHUB_API", f"http://{web.host}")
    text = f"""
[chart]
title = "the chart"
kind = "files"
version = "2.0"
taken = {{ chart = "ingress", registry = "{web.host}/charts" }}
estimate_s = 1

[ctl]
title = "the CLI"
kind = "binaries"
version = "2.0"
taken = {{ program = "ctl", says = ["version"], release = "http://{web.host}/mesh/tool/releases/download/v2/ctl" }}
estimate_s = 1

[image]
title = "the image"
kind = "image"
version = "2.0"
taken = {{ image = "registry.test/mesh/proxy:2.0" }}
estimate_s = 1
"""

    def again(source: str = "upstream", mirror: str | None = None) -> ArtifactStore:
        return make_store(text, source=source, mirror=mirror)

    return again


def test_a_chart_is_taken_by_the_digest_that_its_name_has(open_store: Callable[..., ArtifactStore], web: Web) -> None:
    published = web.chart("one")
    store = open_store()
    make(store, "chart")
    assert store.file("chart", "chart/values.yaml").read_text() == "one"
    entry = store.entry("chart")
    assert entry is not None
    assert (entry.source, entry.notes["identity"]) == ("upstream", published)


def test_what_was_taken_once_is_not_asked_for_again_and_stays_what_it_was(
    open_store: Callable[..., ArtifactStore], web: Web
) -> None:
    web.chart("one")
    make(open_store(), "chart")
    web.chart("two")  # upstream points the same name at something else
    web.asked.clear()
    later = open_store()
    assert later.problem("chart") is None
    assert later.file("chart", "chart/values.yaml").read_text() == "one"
    assert web.asked == []


def test_a_chart_that_is_not_what_its_digest_says_is_thrown_away(
    open_store: Callable[..., ArtifactStore], web: Web
) -> None:
    web.chart("one", content=packed("two"))
    store = open_store()
    with pytest.raises(ArtifactError, match=r"does not have the digest sha256:.*it was deleted"):
        make(store, "chart")
    assert store.entry("chart") is None


def test_a_release_that_tells_no_digest_is_not_taken(open_store: Callable[..., ArtifactStore], web: Web) -> None:
    web.program(b"content")
    web.pages["/repos/mesh/tool/releases/tags/v2"] = b'{"assets": [{"name": "ctl", "digest": null}]}'
    missing = open_store().unobtainable(["ctl"])
    assert missing is not None
    assert "the release v2 has no digest for it" in missing.what


def test_a_program_is_downloaded_and_held_against_its_published_sha256(
    open_store: Callable[..., ArtifactStore], web: Web
) -> None:
    web.program(b"#!/bin/sh\necho 2.0\n")
    store = open_store()
    make(store, "ctl")
    assert store.binary("ctl").stat().st_mode & 0o111
    web.program(b"something else", sha256="0" * 64)
    assert open_store().problem("ctl") is None


def test_a_program_that_is_not_what_was_published_is_refused(
    open_store: Callable[..., ArtifactStore], web: Web
) -> None:
    web.program(b"something else", sha256="0" * 64)
    store = open_store()
    with pytest.raises(ArtifactError, match=r"has sha256 .*, not 0000.*it was deleted"):
        make(store, "ctl")
    assert store.entry("ctl") is None


def test_what_is_not_published_is_named_with_what_was_seen(open_store: Callable[..., ArtifactStore], web: Web) -> None:
    missing = open_store().unobtainable(["chart", "ctl"])
    assert missing is not None
    chart, ctl = missing.what.splitlines()
    assert f"{web.host} has no {web.host}/charts/ingress:2.0 (HTTP 404)" in chart
    assert f"http://{web.host}/mesh/tool/releases/download/v2/ctl: HTTPError" in ctl


def test_a_mirror_is_asked_instead_of_upstream(
    open_store: Callable[..., ArtifactStore], web: Web, unused_tcp_port: int
) -> None:
    web.pages["/v2/mesh/proxy/manifests/2.0"] = b"a manifest"
    store = open_store("packages", mirror=web.host)
    found = store.taker.find(store.catalog["image"])
    assert isinstance(found, Match)
    assert (found.name, found.identity) == ("registry.test/mesh/proxy:2.0", digest(b"a manifest"))
    silent = open_store("packages", mirror=f"127.0.0.1:{unused_tcp_port}")
    not_found = silent.taker.find(silent.catalog["image"])
    assert isinstance(not_found, NotFound)
    assert f"127.0.0.1:{unused_tcp_port} does not answer" in not_found.looked


def test_nothing_is_asked_where_everything_is_to_be_built(open_store: Callable[..., ArtifactStore], web: Web) -> None:
    missing = open_store("packages").unobtainable(["chart", "ctl", "image"])
    assert missing is not None
    assert missing.what.count("registries are not asked") == 3
    assert web.asked == []


def test_another_version_is_asked_for_anew(web: Web, make_store: Callable[..., ArtifactStore]) -> None:
    def named(version: str) -> ArtifactStore:
        taken = f'{{ chart = "ingress", registry = "{web.host}/charts" }}'
        text = f'[chart]\ntitle = "c"\nkind = "files"\nversion = "{version}"\ntaken = {taken}\nestimate_s = 1\n'
        assert parse(text)
        return make_store(text, source="upstream")

    web.chart("one")
    make(named("2.0"), "chart")
    assert named("2.0").unobtainable(["chart"]) is None
    assert named("2.1").unobtainable(["chart"]) is not None
