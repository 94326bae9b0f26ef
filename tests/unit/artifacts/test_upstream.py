"""The choice of the source, and the verification of downloads from a local test server."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.artifacts import upstream
from lab.artifacts.make import make
from lab.artifacts.store import ArtifactStore
from lab.base.errors import ArtifactError
from tests.unit.artifacts.conftest import CATALOG

DIGEST = "c" * 64
WITH_IMAGE = CATALOG + f'\n[whole.upstream]\nimage = "docker.io/some/whole:2@sha256:{DIGEST}"\n'
Open = Callable[..., ArtifactStore]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "www"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{httpd.server_port}", folder
        httpd.shutdown()


def with_download(host: str, sha256: str, member: str = "") -> str:
    extra = f'member = "{member}"\n' if member else ""
    end = f'[tool.upstream]\nurl = "http://{host}/tool"\nsha256 = "{sha256}"\nas_file = "bin/tool"\n{extra}'
    return CATALOG + "\n" + end


@pytest.mark.parametrize(("source", "taken"), [("packages", False), ("upstream", True)])
def test_lab_toml_decides_without_a_question(make_store: Open, source: str, taken: bool) -> None:
    store = make_store(WITH_IMAGE, source=source)
    assert store.keys.from_upstream("whole") is taken
    assert store.keys.from_upstream("tool") is False


@pytest.mark.parametrize("answer", [True, False])
def test_auto_asks_once_and_remembers(make_store: Open, monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    asked: list[str] = []
    monkeypatch.setattr(upstream, "answers", lambda host: asked.append(host) or answer)
    for _ in range(2):
        assert make_store(WITH_IMAGE, source="auto").keys.from_upstream("whole") is answer
    assert asked == ["docker.io"]


def test_auto_asks_again_after_a_bad_minute(make_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "answers", lambda _: False)
    store = make_store(WITH_IMAGE, source="auto")
    assert store.keys.from_upstream("whole") is False
    monkeypatch.setattr(upstream, "answers", lambda _: True)
    assert make_store(WITH_IMAGE, source="auto").keys.from_upstream("whole") is False

    an_hour_ago = time.time() - 3600
    os.utime(store.root / "source", (an_hour_ago, an_hour_ago))
    assert make_store(WITH_IMAGE, source="auto").keys.from_upstream("whole") is True


def test_a_lab_that_is_up_keeps_its_source(make_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "answers", lambda _: False)
    store = make_store(WITH_IMAGE, source="auto")
    assert store.keys.from_upstream("whole") is False
    monkeypatch.setattr(upstream, "answers", lambda _: True)
    os.utime(store.root / "source", (0, 0))
    store.paths.kubeconfig.parent.mkdir(parents=True)
    store.paths.kubeconfig.write_text("")
    assert make_store(WITH_IMAGE, source="auto").keys.from_upstream("whole") is False


def test_auto_asks_the_mirror_instead(make_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(upstream, "answers", lambda host: bool(asked.append(host)))
    store = make_store(WITH_IMAGE, source="auto", mirror="mirror.example:5000/cache")
    assert store.keys.from_upstream("whole") is False
    assert asked == ["mirror.example:5000"]


def test_a_host_that_does_not_answer_is_no_registry(unused_tcp_port: int) -> None:
    assert upstream.answers(f"127.0.0.1:{unused_tcp_port}") is False


def test_a_web_server_is_no_registry(server: tuple[str, Path]) -> None:
    assert upstream.answers(server[0]) is False


def test_a_server_with_the_registry_api_is_one(server: tuple[str, Path]) -> None:
    host, folder = server
    (folder / "v2").mkdir()
    assert upstream.answers(host) is True


def test_a_download_with_its_digest_is_kept(make_store: Open, server: tuple[str, Path]) -> None:
    host, folder = server
    (folder / "tool").write_bytes(b"#!elf")
    store = make_store(with_download(host, hashlib.sha256(b"#!elf").hexdigest()), source="upstream")
    make(store, "tool")
    assert store.binary("tool").read_bytes() == b"#!elf"
    assert store.binary("tool").stat().st_mode & 0o111
    entry = store.entry("tool")
    assert entry is not None
    assert entry.source == "upstream"


def test_one_file_of_a_downloaded_archive_is_kept(make_store: Open, server: tuple[str, Path]) -> None:
    host, folder = server
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo("dist/tool")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"elf"))
    (folder / "tool").write_bytes(packed.getvalue())
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    store = make_store(with_download(host, digest, "dist/tool"), source="upstream")
    make(store, "tool")
    assert store.binary("tool").read_bytes() == b"elf"


def test_a_corrupt_download_is_thrown_away(make_store: Open, server: tuple[str, Path]) -> None:
    host, folder = server
    (folder / "tool").write_bytes(b"#!els")
    store = make_store(with_download(host, hashlib.sha256(b"#!elf").hexdigest()), source="upstream")
    with pytest.raises(ArtifactError, match=r"has sha256 .* not .*; it was deleted") as raised:
        make(store, "tool")
    assert raised.value.where == "tool"
    assert store.entry("tool") is None
    assert list((store.root / "work").iterdir()) == []


def test_a_missing_download_says_what_else_can_be_done(make_store: Open, server: tuple[str, Path]) -> None:
    store = make_store(with_download(server[0], DIGEST), source="upstream")
    with pytest.raises(ArtifactError, match=r"downloading .* failed: 404") as raised:
        make(store, "tool")
    assert 'source = "packages"' in (raised.value.next or "")


def test_an_unreachable_host_is_the_same_error(make_store: Open, unused_tcp_port: int) -> None:
    store = make_store(with_download(f"127.0.0.1:{unused_tcp_port}", DIGEST), source="upstream")
    with pytest.raises(ArtifactError, match=r"downloading .* failed: "):
        make(store, "tool")


def test_a_download_for_another_architecture_is_not_taken(
    make_store: Open, monkeypatch: pytest.MonkeyPatch, server: tuple[str, Path]
) -> None:
    text = with_download(server[0], DIGEST) + 'machine = "x86_64"\nversion = "0.9"\n'
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert make_store(text, source="upstream").keys.from_upstream("tool") is False
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    store = make_store(text, source="upstream")
    assert store.keys.from_upstream("tool") is True
    assert store.catalog["tool"].version_from(upstream=True) == "0.9"
    assert store.catalog["tool"].version_from(upstream=False) == "1"
