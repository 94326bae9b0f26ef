"""Requests to a cluster on this machine: no proxy, and a read survives one broken connection or handshake."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from lab.base.names import Cluster
from lab.kube import Kube, manifests, transport
from lab.kube.errors import KubeError, NotNow
from tests.unit.http_api import ApiServer, serving
from tests.unit.tls_kit import certificates

LIMIT_S = 30.0


class Server(http.server.BaseHTTPRequestHandler):
    """Answers every request with 404 and remembers it."""

    def do_GET(self) -> None:
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as one:
        one.seen = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield one
        one.shutdown()
        thread.join()


@pytest.fixture
def cluster(server: http.server.ThreadingHTTPServer, tmp_path: Path) -> Cluster:
    file = tmp_path / "kubeconfig"
    url = f"http://127.0.0.1:{server.server_port}"
    entries = {"clusters": [{"name": "east", "cluster": {"server": url}}], "users": [{"name": "east", "user": {}}]}
    contexts = [{"name": "east", "context": {"cluster": "east", "user": "east"}}]
    file.write_text(manifests.dump({**entries, "contexts": contexts, "current-context": "east"}))
    return Cluster(name="east", context="east", kubeconfig=file, node="dev-east-control-plane")


@pytest.fixture(params=["http_proxy", "HTTP_PROXY"])
def proxy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is not there, and no exception from it."""
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(request.param, "http://127.0.0.1:9")


@pytest.mark.usefixtures("proxy")
def test_requests_do_not_take_the_proxy(cluster: Cluster) -> None:
    send = transport.http(cluster)
    assert send("GET", "/readyz", body=None, headers={}, timeout_s=5).status == 404


@pytest.mark.usefixtures("proxy")
def test_commands_in_pods_do_not_take_the_proxy(cluster: Cluster, server: http.server.ThreadingHTTPServer) -> None:
    with pytest.raises(NotNow):
        transport.execute(cluster, "pod-1", ["true"], namespace="test", container=None, timeout_s=5)
    (asked,) = server.seen  # type: ignore[attr-defined]
    assert asked.startswith("/api/v1/namespaces/test/pods/pod-1/exec?")


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[ApiServer]:
    api = ApiServer()
    api.tls = certificates(tmp_path)
    with serving(api):
        yield api


def test_a_read_survives_one_handshake_that_is_broken_off(secure: ApiServer, tmp_path: Path) -> None:
    secure.resets = 1
    assert Kube(secure.cluster(tmp_path), timeout_s=LIMIT_S).read("/readyz") == "ok"
    assert (secure.asked, secure.connections) == (["/readyz"], 2)


def test_a_read_survives_a_connection_that_ends_before_the_answer(secure: ApiServer, tmp_path: Path) -> None:
    secure.unanswered = 1
    assert Kube(secure.cluster(tmp_path), timeout_s=LIMIT_S).read("/readyz") == "ok"
    assert secure.asked == ["/readyz", "/readyz"]


def test_a_watch_survives_one_handshake_that_is_reset(secure: ApiServer, tmp_path: Path) -> None:
    secure.resets = 1
    answer = transport.lines(secure.cluster(tmp_path))("/readyz", headers={}, silence_s=LIMIT_S)
    assert list(answer) == [b"ok"]


def test_a_server_that_breaks_off_each_handshake_does_not_answer(secure: ApiServer, tmp_path: Path) -> None:
    secure.resets = 9
    with pytest.raises(NotNow, match="the API server does not answer"):
        Kube(secure.cluster(tmp_path), timeout_s=LIMIT_S).read("/readyz")
    assert secure.connections == 2


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_request_survives_handshakes_that_take_too_long(
    secure: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(transport, "_CONNECT_S", 0.5)
    secure.stalls = 2
    send = transport.http(secure.cluster(tmp_path))
    answer = send(method, "/readyz", body=None, headers={}, timeout_s=LIMIT_S)
    assert answer.status == (200 if method == "GET" else 501), "this server answers reads only"
    assert secure.connections == 3


def test_a_refused_connection_is_not_tried_again(
    secure: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []
    ask = urllib3.PoolManager.request

    def counted(pool: urllib3.PoolManager, method: str, *args: Any, **options: Any) -> Any:
        tries.append(method)
        return ask(pool, method, *args, **options)

    kube = Kube(secure.cluster(tmp_path), timeout_s=LIMIT_S)
    secure.stop()
    monkeypatch.setattr(urllib3.PoolManager, "request", counted)
    with pytest.raises(NotNow, match="NewConnectionError"):
        kube.read("/readyz")
    assert tries == ["GET"]


def test_handshakes_that_take_too_long_end_with_the_request(
    secure: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_CONNECT_S", 0.2)
    secure.stalls = 99
    with pytest.raises(NotNow, match="the API server does not answer"):
        Kube(secure.cluster(tmp_path), timeout_s=1).read("/readyz")
    assert secure.asked == []
    assert secure.connections > 1


def test_a_write_is_sent_once(secure: ApiServer, tmp_path: Path) -> None:
    secure.resets = 1
    send = transport.http(secure.cluster(tmp_path))
    with pytest.raises(NotNow):
        send("PATCH", "/api/v1/namespaces/test", body="{}", headers={}, timeout_s=LIMIT_S)
    assert secure.connections == 1


def test_an_answer_that_takes_longer_than_the_time_limit_is_requested_once(secure: ApiServer, tmp_path: Path) -> None:
    secure.silent = True
    with pytest.raises(NotNow):
        Kube(secure.cluster(tmp_path), timeout_s=1.5).read("/readyz")
    assert secure.asked == ["/readyz"]


def test_a_server_with_another_certificate_is_refused_at_once(secure: ApiServer, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    certificates(other)
    with pytest.raises(KubeError, match="certificate does not match the kubeconfig"):
        Kube(secure.cluster(other), timeout_s=LIMIT_S).read("/readyz")
    assert secure.connections == 1
