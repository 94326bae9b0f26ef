"""Requests to a cluster on this machine go there directly, whatever proxy the environment names."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.base.names import Cluster
from lab.kube import manifests, transport
from lab.kube.errors import NotNow


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
