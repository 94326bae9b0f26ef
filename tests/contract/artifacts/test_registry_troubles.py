"""The real engine behind a registry in trouble: a pull is repeated, or fails with a clear error and without an entry.

The trouble comes from a small server in front of the registry, which passes on what has no trouble.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import pytest

from lab.artifacts.make import make
from lab.artifacts.store import ArtifactStore
from lab.base.errors import ArtifactError
from lab.tools.docker import Docker
from tests.contract.artifacts.conftest import NAME, Registry
from tests.local_http import served

MANIFEST, BLOB = r"GET /v2/some/thing/manifests/", r"GET /v2/some/thing/blobs/"
PAGE = b"<!DOCTYPE html><html><body>Log in to the hotel's network.</body></html>"


Open = Callable[..., ArtifactStore]


@dataclass
class Front:
    """What stands before the registry. `trouble` answers requests that match `of`, `times` times."""

    behind: str
    host: str = ""
    of: str = "never"
    times: int = 0
    status: int = 0
    seen: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    front: Front

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        front, line = self.front, f"{self.command} {self.path}"
        front.seen.append(line)
        if front.times > 0 and re.match(front.of, line):
            front.times -= 1
            if front.status == 0:  # cut: less than the length that was promised
                self._send(200, {"Content-Type": "application/octet-stream", "Content-Length": "5000"}, b"x")
                self.close_connection = True
            elif front.status == 200:
                self._send(200, {"Content-Type": "text/html", "Content-Length": str(len(PAGE))}, PAGE)
            else:
                self._send(front.status, {"Retry-After": "1", "Content-Length": "0"}, b"")
            return
        asked = urllib.request.Request(f"http://{front.behind}{self.path}", method=self.command)
        for name in ("Accept", "Range"):
            if name in self.headers:
                asked.add_header(name, self.headers[name])
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310 - http, to the registry of the test
                self._send(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            self._send(error.code, dict(error.headers), error.read())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in {"date", "server", "connection"}:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def front(registry: Registry) -> Iterator[Front]:
    found = Front(behind=registry.host)
    with served(type("Handler", (_Handler,), {"front": found})) as found.host:
        yield found


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.base.wait.pause", lambda _: None)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_registry_is_asked_again_until_the_image_is_there(
    open_store: Open, front: Front, engine: Docker, status: int
) -> None:
    store = open_store(front.host)
    assert store.unobtainable(["thing"]) is None
    front.of, front.times, front.status = MANIFEST, 1, status
    make(store, "thing")
    assert engine.image(NAME) is not None
    assert store.problem("thing") is None


@pytest.mark.parametrize(
    ("of", "status", "words"),
    [
        (MANIFEST, 429, r"pulling .* failed: "),
        (MANIFEST, 503, r"pulling .* failed: "),
        (MANIFEST, 200, r"answers with a web page|does not have its digest|pulling .* failed"),
        (BLOB, 0, r"pulling .* failed: |does not have its digest"),
        (BLOB, 200, r"pulling .* failed: |does not have its digest|answers with a web page"),
    ],
)
def test_a_registry_that_stays_in_trouble_is_a_clear_error_without_an_entry(  # noqa: PLR0917 - and one row of the table
    open_store: Open, front: Front, engine: Docker, of: str, status: int, words: str
) -> None:
    store = open_store(front.host)
    assert store.unobtainable(["thing"]) is None
    front.of, front.times, front.status = of, 999, status
    with pytest.raises(ArtifactError, match=words) as raised:
        make(store, "thing")
    assert raised.value.next
    assert store.entry("thing") is None
    assert engine.image(NAME) is None
    assert not store.pins.file.exists()
    front.times = 0
    make(open_store(front.host), "thing")  # nothing damaged is left
    assert engine.image(NAME) is not None
