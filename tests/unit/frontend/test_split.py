"""The configured weights: read as the lab writes them on each stack, and a clear problem without the API."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
import yaml
from frontend import kubernetes
from frontend.app import create_app
from frontend.config import ApiServer, Settings, Upstream
from frontend.kubernetes import Cached
from frontend.split import find
from starlette.testclient import TestClient

from lab.base.names import LABEL_PREFIX
from lab.base.paths import PROJECT
from lab.mesh.model import Failover
from lab.mesh.names import ServicePort
from lab.mesh.weights import FAILOVER_LABEL
from lab.stacks.istio import export
from lab.stacks.istio import failover as istio_failover
from lab.stacks.linkerd import split as linkerd_split
from lab.stacks.linkerd import traffic_split

PODINFO = Upstream(name="podinfo", url="http://podinfo.test:9898")
EAST = Upstream(name="podinfo-east", url="http://podinfo-east.test:9898")
ROUTES = PROJECT / "scenarios" / "request_routing"
FAILOVER = Failover(cluster="west", service="podinfo", primary="west", backup="east")


def read(upstream: Upstream, *, splits=(), routes=(), services=()) -> dict:
    return find(upstream, splits, routes, services, own_cluster="west").as_json()


def shares(split: dict) -> dict[str, float]:
    return {weight["cluster"]: weight["share"] for weight in split["weights"]}


@pytest.mark.parametrize(("file", "wanted"), [("50-50", (0.5, 0.5)), ("90-10", (0.9, 0.1)), ("0-100", (0, 1))])
@pytest.mark.parametrize("stack", ["linkerd", "istio"])
def test_the_routes_of_the_scenario_are_read_on_both_stacks(stack: str, file: str, wanted: tuple[float, float]):
    obj = yaml.safe_load((ROUTES / stack / f"split-{file}.yaml").read_text())
    split = read(PODINFO, routes=[obj] if stack == "linkerd" else [], services=[obj] if stack == "istio" else [])

    assert split["state"] == "split"
    assert split["source"]["kind"] == {"linkerd": "HTTPRoute", "istio": "VirtualService"}[stack]
    assert shares(split) == {"west": wanted[0], "east": wanted[1]}
    assert [weight["backend"] for weight in split["weights"]] == ["podinfo", "podinfo-east"]


def test_a_traffic_split_is_read_before_routes():
    smi = traffic_split.build("podinfo", {"podinfo": 70, "podinfo-east": 30})
    route = linkerd_split.build("podinfo", 9898, {"podinfo": 50, "podinfo-east": 50}, {})
    split = read(PODINFO, splits=[smi], routes=[route])

    assert (split["source"]["kind"], shares(split)) == ("TrafficSplit", {"west": 0.7, "east": 0.3})


def test_another_service_has_none():
    route = linkerd_split.build("podinfo", 9898, {"podinfo": 50, "podinfo-east": 50}, {})
    other_port = Upstream(name="podinfo", url="http://podinfo.test:80")

    assert read(EAST, routes=[route]) == {"state": "none", "source": None, "weights": [], "failover": None}
    assert read(other_port, routes=[route])["state"] == "none"


def test_an_export_is_a_name_and_not_a_split():
    ports = [ServicePort(name="http", number=9898, protocol="http")]
    (_, service) = export.mirror_objects("podinfo", "east", ports)

    assert service["kind"] == "VirtualService"
    assert read(EAST, services=[service])["state"] == "none"


def test_a_failover_names_its_clusters_on_both_stacks():
    labels = {
        FAILOVER_LABEL: "podinfo",
        f"{LABEL_PREFIX}/primary": "west",
        f"{LABEL_PREFIX}/backup": "east",
    }
    route = linkerd_split.build("podinfo", 9898, {"podinfo": 1_000_000, "podinfo-east": 1}, labels)
    _, service, _ = istio_failover.build(FAILOVER, [], [9898])
    for split in (read(PODINFO, routes=[route]), read(PODINFO, services=[service])):
        assert split["state"] == "failover"
        assert split["failover"] == {"primary": "west", "backup": "east"}


def test_requests_with_a_header_of_their_own_do_not_count():
    own = {"matches": [{"headers": [{"name": "x-lab-user", "value": "ann"}]}], "backendRefs": [{"name": "my-service"}]}
    rest = {"backendRefs": [{"name": "podinfo", "weight": 3}, {"name": "podinfo-east", "weight": 1}]}
    route = {
        "metadata": {"name": "r"},
        "spec": {"parentRefs": [{"kind": "Service", "name": "podinfo"}], "rules": [own, rest]},
    }
    destinations = [
        {"destination": {"host": "podinfo", "subset": s}, "weight": w} for s, w in (("west", 3), ("east", 1))
    ]
    http = [{"match": [{"headers": {"x": {"exact": "y"}}}], "route": []}, {"route": destinations}]
    service = {"metadata": {"name": "v"}, "spec": {"hosts": ["podinfo"], "http": http}}

    assert shares(read(PODINFO, routes=[route])) == {"west": 0.75, "east": 0.25}
    assert shares(read(PODINFO, services=[service])) == {"west": 0.75, "east": 0.25}


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"spec": None},
        {"spec": {"parentRefs": "x", "hosts": "podinfo", "service": 5}},
        {"spec": {"hosts": ["podinfo"], "http": [{"route": [{"destination": None}]}]}},
        {"spec": {"parentRefs": [{"kind": "Service", "name": "podinfo"}], "rules": [{"backendRefs": [{}]}]}},
        {"spec": {"service": "podinfo", "backends": [{"service": "podinfo", "weight": "many"}]}},
        {"metadata": [], "spec": {"service": "podinfo", "backends": [1, 2]}},
    ],
)
def test_an_object_of_an_unknown_form_is_none(obj: dict):
    assert read(PODINFO, splits=[obj], routes=[obj], services=[obj])["state"] == "none"


def client(
    settings: Settings, handler: Callable[[httpx2.Request], httpx2.Response], credentials: Path | None = None
) -> TestClient:
    server = ApiServer(url="http://api", namespace="" if credentials else "test", credentials=credentials)
    changed = Settings(**{**vars(settings), "api_server": server})
    return TestClient(create_app(changed, api_transport=httpx2.MockTransport(handler)))


def listing(*objects: object) -> httpx2.Response:
    return httpx2.Response(200, json={"items": list(objects)})


def test_the_api_is_called_for_lists_in_this_namespace_only(settings: Settings):
    seen: Counter[str] = Counter()
    route = yaml.safe_load((ROUTES / "linkerd" / "split-90-10.yaml").read_text())

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen[f"{request.method} {request.url.path}"] += 1
        if request.url.path.endswith("/httproutes"):
            return listing(route)
        return httpx2.Response(404)  # Istio and SMI are not installed

    with client(settings, handler) as page:
        body = page.get("/api/split").json()

    assert (body["schema"], body["state"], shares(body)) == (
        "frontend/split/v1",
        "split",
        {"west": 0.9, "east": 0.1},
    )
    assert seen == {
        "GET /apis/gateway.networking.k8s.io/v1/namespaces/test/httproutes": 1,
        "GET /apis/networking.istio.io/v1/namespaces/test/virtualservices": 1,
        "GET /apis/split.smi-spec.io/v1alpha2/namespaces/test/trafficsplits": 1,
    }


def test_many_pages_call_the_api_once_a_second(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    seen: Counter[str] = Counter()
    now = [100.0]
    monkeypatch.setattr(kubernetes.time, "monotonic", lambda: now[0])

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen[request.url.path] += 1
        return listing()

    with client(settings, handler) as page:
        for upstream in ("podinfo", "podinfo-east") * 5:
            assert page.get(f"/api/split?upstream={upstream}").json()["state"] == "none"
        assert set(seen.values()) == {1}
        now[0] += 1
        page.get("/api/split")
    assert set(seen.values()) == {2}


def test_readers_at_one_time_share_one_call_and_its_error():
    async def scenario() -> tuple[list[object], int]:
        calls = 0

        async def failing() -> int:
            nonlocal calls
            calls += 1
            await asyncio.sleep(0)
            raise kubernetes.ApiServerError("down", next_step="wait")

        cached = Cached(failing)
        return await asyncio.gather(*(cached.get() for _ in range(10)), return_exceptions=True), calls

    results, calls = asyncio.run(scenario())
    assert [str(result) for result in results] == ["down"] * 10
    assert calls == 1


def test_the_pods_token_is_sent_and_read_anew(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    now, seen = [100.0], []
    monkeypatch.setattr(kubernetes.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(kubernetes.ssl, "create_default_context", _trusts_nobody)
    (tmp_path / "namespace").write_text("test")
    (tmp_path / "ca.crt").write_text("…")

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.headers["authorization"], "/namespaces/test/" in request.url.path))
        return listing()

    with client(settings, handler, tmp_path) as page:
        for token in ("token-1", "token-2"):
            (tmp_path / "token").write_text(f"{token}\n")
            body = page.get("/api/split").json()
            now[0] += 2

    assert set(seen) == {("Bearer token-1", True), ("Bearer token-2", True)}
    assert "token" not in json.dumps(body)


def _trusts_nobody(cafile: Path):
    import ssl

    assert cafile.name == "ca.crt"
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def down(_: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("Connection refused")


def slow(_: httpx2.Request) -> httpx2.Response:
    raise httpx2.ReadTimeout("")


@pytest.mark.parametrize(
    ("handler", "what", "next_step"),
    [
        (down, "cannot reach the Kubernetes API: Connection refused", "lab status"),
        (slow, "the Kubernetes API gave no answer within 2 s", "lab status"),
        (
            lambda _: httpx2.Response(403, json={"message": "forbidden"}),
            'the Kubernetes API answered 403 for trafficsplits: {"message":"forbidden"}',
            "Role",
        ),
        (lambda _: httpx2.Response(200, text="<html>"), "no JSON object: <html>", "KUBERNETES_API_URL"),
        (lambda _: httpx2.Response(200, content=b"x" * (3 << 20)), "is larger than 2 MiB", "delete"),
    ],
)
def test_an_api_that_does_not_tell_is_a_problem_with_its_reason(settings: Settings, handler, what, next_step):
    with client(settings, handler) as page:
        response = page.get("/api/split")

    assert response.status_code == 200
    body = response.json()
    assert (body["state"], body["weights"]) == ("unknown", [])
    assert what in body["problem"]["what"]
    assert next_step in body["problem"]["next"]


def test_a_pod_without_credentials_says_so(settings: Settings, tmp_path: Path):
    with client(settings, lambda _: listing(), tmp_path) as page:
        problem = page.get("/api/split").json()["problem"]

    assert "no credentials" in problem["what"]


def test_outside_of_a_cluster_the_weights_are_unknown(serve):
    with serve(lambda _: httpx2.Response(200)) as page:
        body = page.get("/api/split").json()

    assert body["state"] == "unknown"
    assert "KUBERNETES_API_URL" in body["problem"]["next"]
