"""A frontend whose upstreams are functions: no network, no waiting."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest
from frontend.app import create_app
from frontend.config import Settings, Upstream
from starlette.testclient import TestClient

Handler = Callable[[httpx2.Request], httpx2.Response]


def podinfo(cluster: str, pod: str, **fields: str) -> httpx2.Response:
    """What podinfo 6.9.2 says on /api/info, with the lab's settings for `cluster`."""
    return httpx2.Response(
        200,
        json={
            "hostname": pod,
            "version": "6.9.2",
            "revision": "unknown",
            "color": "#2563eb",
            "logo": "",
            "message": f"cluster={cluster}; Greetings from {cluster}",
            "goos": "linux",
            "goarch": "amd64",
            "runtime": "go1.26.8",
            "num_goroutine": "8",
            "num_cpu": "2",
            **fields,
        },
    )


class Counting:
    """An upstream that counts the requests of each URL."""

    def __init__(self, answer: Callable[[], httpx2.Response] = lambda: podinfo("east", "podinfo-1")) -> None:
        self.seen: Counter[str] = Counter()
        self._answer = answer

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen[str(request.url)] += 1
        return self._answer()


@pytest.fixture
def settings() -> Settings:
    return Settings(
        cluster="west",
        pod="frontend-1",
        upstreams=(
            Upstream(name="podinfo", url="http://podinfo:9898"),
            Upstream(name="podinfo-east", url="http://podinfo-east:9898"),
        ),
        default_upstream="podinfo",
        request_timeout_s=0.2,
    )


@pytest.fixture
def serve(settings: Settings) -> Callable[..., object]:
    """`with serve(handler) as client:` a client of a frontend whose upstreams all are `handler`."""

    @contextmanager
    def start(handler: Handler, **changes: object) -> Iterator[TestClient]:
        app = create_app(
            Settings(**{**vars(settings), **changes}),  # type: ignore[arg-type]
            transport=httpx2.MockTransport(handler),
        )
        with TestClient(app) as client:
            yield client

    return start
