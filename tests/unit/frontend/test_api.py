import asyncio
import json
from collections import Counter
from itertools import cycle

import httpx2
import pytest
from starlette.testclient import TestClient

from .conftest import Counting, podinfo


def events(text: str) -> list[tuple[str, dict[str, object]]]:
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_info_names_the_frontend(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        assert client.get("/api/info").json() == {
            "schema": "frontend/info/v1",
            "app": "frontend",
            "version": "0.1.0",
            "cluster": "west",
            "pod": "frontend-1",
            "default_upstream": "podinfo",
        }


def test_upstreams_mark_the_default(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        assert client.get("/api/upstreams").json()["upstreams"] == [
            {"name": "podinfo", "url": "http://podinfo:9898", "default": True},
            {"name": "podinfo-east", "url": "http://podinfo-east:9898", "default": False},
        ]


def test_answers_tell_who_answered_each_request(serve):
    turns = cycle([("east", "podinfo-e"), ("west", "podinfo-w")])
    with serve(lambda _: podinfo(*next(turns))) as client:
        body = client.get("/api/answers?count=3").json()

    assert body["schema"] == "frontend/answers/v1"
    assert body["complete"] is True
    assert body["totals"]["by_cluster"] == {"east": 2, "west": 1}
    assert [(one["n"], one["cluster"], one["pod"]) for one in body["answers"]] == [
        (1, "east", "podinfo-e"),
        (2, "west", "podinfo-w"),
        (3, "east", "podinfo-e"),
    ]
    first = body["answers"][0]
    assert first["version"] == "6.9.2"
    assert first["color"] == "#2563eb"
    assert first["message"] == "Greetings from east"
    assert first["status"] == 200
    assert first["latency_ms"] >= 0
    assert first["error"] is None


def test_only_the_configured_upstream_is_called(serve):
    upstreams = Counting()
    with serve(upstreams) as client:
        client.get("/api/answers?upstream=podinfo-east&count=4")
        client.get("/api/answers?upstream=http://elsewhere")

    assert upstreams.seen == {"http://podinfo-east:9898/api/info": 4}


@pytest.mark.parametrize(
    ("behaviour", "kind", "status", "words"),
    [
        (
            lambda _: httpx2.Response(503, text="no healthy upstream"),
            "status",
            503,
            "HTTP 503: no healthy upstream",
        ),
        (
            lambda _: httpx2.Response(403, text="RBAC: access denied"),
            "status",
            403,
            "HTTP 403: RBAC: access denied",
        ),
        (lambda _: httpx2.Response(301, headers={"location": "http://x"}), "status", 301, "HTTP 301"),
        (lambda _: httpx2.Response(200, text="<html>"), "body", 200, "no JSON object: <html>"),
    ],
)
def test_a_bad_answer_is_a_result_with_its_kind(serve, behaviour, kind, status, words):
    with serve(behaviour) as client:
        body = client.get("/api/answers?count=1").json()

    (one,) = body["answers"]
    assert one["error"] == {"kind": kind, "detail": words, "refused": words == "HTTP 403: RBAC: access denied"}
    assert one["status"] == status
    assert one["cluster"] is None
    assert body["totals"]["by_failure"] == {kind: 1}


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (httpx2.ConnectError("All connection attempts failed"), "connect", "All connection attempts failed"),
        (httpx2.ConnectTimeout(""), "timeout", "no connection within 2 s"),
        (httpx2.ReadTimeout(""), "timeout", "no whole answer within 0.2 s"),
        (httpx2.ReadError(""), "broken", "ReadError"),
        (httpx2.RemoteProtocolError("server disconnected"), "broken", "server disconnected"),
    ],
)
def test_a_broken_request_is_a_result_with_its_kind(serve, error, kind, words):
    def handler(_: httpx2.Request) -> httpx2.Response:
        raise error

    with serve(handler) as client:
        (one,) = client.get("/api/answers?count=1").json()["answers"]

    assert one["error"] == {"kind": kind, "detail": words, "refused": False}
    assert one["status"] is None


def test_a_refused_connection_is_told_in_the_systems_words(serve):
    def handler(_: httpx2.Request) -> httpx2.Response:
        attempts = OSError("All connection attempts failed")
        attempts.__cause__ = ExceptionGroup("attempts", [ConnectionRefusedError(111, "Connect call failed")])
        raise httpx2.ConnectError("All connection attempts failed") from attempts

    with serve(handler) as client:
        (one,) = client.get("/api/answers?count=1").json()["answers"]

    assert one["error"]["detail"] == "Connection refused"


def test_an_upstream_that_hangs_costs_one_timeout(serve):
    async def handler(_: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with serve(handler, request_timeout_s=0.05) as client:
        (one,) = client.get("/api/answers?count=1").json()["answers"]

    assert one["error"]["kind"] == "timeout"


def test_a_huge_body_is_not_read_whole(serve):
    sent = Counter()

    async def endless():
        while True:
            sent["chunks"] += 1
            yield b"x" * 1024

    with serve(lambda _: httpx2.Response(200, content=endless())) as client:
        (one,) = client.get("/api/answers?count=1").json()["answers"]

    assert one["error"]["kind"] == "body"
    assert sent["chunks"] < 100


def test_a_batch_that_takes_too_long_is_cut_and_says_so(serve):
    async def handler(_: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with serve(handler, request_timeout_s=0.05, batch_timeout_s=0.08) as client:
        body = client.get("/api/answers?count=500").json()

    assert body["complete"] is False
    assert body["totals"]["requests"] == len(body["answers"]) < 500


def test_parallel_requests_are_under_way_together(serve):
    together = asyncio.Barrier(4)

    async def handler(_: httpx2.Request) -> httpx2.Response:
        await together.wait()  # opens only for four at once
        return podinfo("east", "p")

    with serve(handler) as client:
        body = client.get("/api/answers?count=8&parallel=4").json()

    assert body["totals"]["answered"] == 8
    assert [one["n"] for one in body["answers"]] == list(range(1, 9))


@pytest.mark.parametrize(("query", "header"), [("", "close"), ("&connection=reuse", "keep-alive")])
def test_each_request_has_its_own_connection_unless_asked(serve, query, header):
    seen = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["connection"])
        return podinfo("east", "p")

    with serve(handler) as client:
        client.get(f"/api/answers?count=2{query}")

    assert seen == [header, header]


def test_the_labs_and_tracing_headers_go_on_to_the_upstream_and_no_others(serve):
    seen = {}

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.update(request.headers)
        return podinfo("east", "p")

    with serve(handler) as client:
        sent = {
            "x-lab-user": "ann",
            "baggage": "k=v",
            "cookie": "secret",
            "x-forwarded-client-cert": "URI=forged",
        }
        client.get("/api/answers?count=1", headers=sent)

    assert seen["x-lab-user"] == "ann"
    assert seen["baggage"] == "k=v"
    assert "cookie" not in seen
    assert "x-forwarded-client-cert" not in seen


@pytest.mark.parametrize(
    ("path", "what", "next_step"),
    [
        ("/api/answers?count=0", "count='0' is not a whole number from 1 to 500", "the default is 10"),
        ("/api/answers?count=501", "count='501' is not a whole number from 1 to 500", "the default is 10"),
        ("/api/answers?count=ten", "count='ten' is not a whole number from 1 to 500", "the default is 10"),
        ("/api/answers?count=1&count=2", "'count' is given 2 times", "give it once"),
        (
            "/api/answers?cuont=5",
            "unknown parameter 'cuont'",
            "known: upstream, count, parallel, connection",
        ),
        ("/api/answers?upstream=nope", "unknown upstream 'nope'", "known: podinfo, podinfo-east"),
        ("/api/answers?upstream=", "unknown upstream ''", "known: podinfo, podinfo-east"),
        ("/api/answers?connection=old", "connection='old' is not known", "known: new, reuse"),
        (
            "/api/identity?upstream=http://10.0.0.1",
            "unknown upstream 'http://10.0.0.1'",
            "known: podinfo, podinfo-east",
        ),
        ("/api/stream?rate=nan", "rate='nan' is not a number from 0.1 to 100", "the default is 2"),
        ("/api/stream?rate=1000", "rate='1000' is not a number from 0.1 to 100", "the default is 2"),
        ("/api/info?verbose", "unknown parameter 'verbose'", "known: none"),
    ],
)
def test_bad_input_says_what_where_and_next(serve, path, what, next_step):
    with serve(lambda _: podinfo("east", "p")) as client:
        response = client.get(path)

    assert response.status_code == 400
    body = response.json()
    assert body["schema"] == "frontend/error/v1"
    assert body["error"]["what"] == what
    assert body["error"]["where"].startswith("query parameter ")
    assert body["error"]["next"] == next_step


def test_unknown_paths_and_methods_answer_in_the_same_shape(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        missing, wrong = client.get("/api/nope"), client.post("/api/answers")

    assert (missing.status_code, wrong.status_code) == (404, 405)
    assert missing.json()["error"]["where"] == "GET /api/nope"
    assert "/api/answers" in missing.json()["error"]["next"]
    assert wrong.json()["error"]["where"] == "POST /api/answers"


def test_identity_shows_both_ends_and_what_they_were_read_from(serve):
    header = 'By=spiffe://east.example/ns/test/sa/podinfo;Subject="";URI=spiffe://west.example/ns/test/sa/frontend'

    def handler(request: httpx2.Request) -> httpx2.Response:
        assert request.url.path == "/headers"
        return httpx2.Response(200, json={"X-Forwarded-Client-Cert": [header], "Accept": ["*/*"]})

    with serve(handler) as client:
        body = client.get("/api/identity?upstream=podinfo-east").json()

    assert body["schema"] == "frontend/identity/v1"
    assert body["upstream"]["name"] == "podinfo-east"
    assert body["identity"]["mtls"] is True
    assert body["identity"]["client"]["id"] == "spiffe://west.example/ns/test/sa/frontend"
    assert body["identity"]["server"]["trust_domain"] == "east.example"
    assert body["headers"] == {"accept": ["*/*"], "x-forwarded-client-cert": [header]}


@pytest.mark.parametrize(
    ("response", "what"),
    [
        (httpx2.Response(503, text="no healthy upstream"), "status: HTTP 503: no healthy upstream"),
        (httpx2.Response(200, text="[]"), "body: no JSON object: []"),
        (httpx2.Response(200, json={"Accept": "x"}), 'body: no map of headers: {"Accept":"x"}'),
    ],
)
def test_identity_without_an_answer_is_a_502_that_says_why(serve, response, what):
    with serve(lambda _: response) as client:
        answer = client.get("/api/identity")

    assert answer.status_code == 502
    assert answer.json()["error"]["what"] == what
    assert answer.json()["error"]["where"] == "podinfo at http://podinfo:9898/headers"


def test_a_stream_says_hello_gives_answers_and_ends_at_its_count(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        response = client.get("/api/stream?count=3&rate=100")

    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.text.startswith("retry: 1000\n")
    (hello, begin), *middle, (end, why) = events(response.text)
    assert (hello, begin["schema"], begin["upstream"]["name"]) == ("hello", "frontend/stream/v2", "podinfo")
    assert [(data["n"], data["cluster"]) for name, data in middle if name == "answer"] == [
        (1, "east"),
        (2, "east"),
        (3, "east"),
    ]
    assert (end, why) == ("end", {"reason": "count"})


def test_the_last_timeline_of_a_stream_has_every_request(serve):
    turns = iter([podinfo("east", "p"), httpx2.Response(503), podinfo("west", "p")])
    with serve(lambda _: next(turns)) as client:
        found = events(client.get("/api/stream?count=3&rate=100").text)

    timelines = [data for name, data in found if name == "timeline"]
    slots = [slot for data in timelines for slot in data["slots"]]
    assert sum(slot["sent"] for slot in slots) == 3
    assert sum(slot["lost"] for slot in slots) == 1
    (phase,) = timelines[-1]["phases"]
    assert (phase["number"], phase["name"], phase["sent"], phase["lost"]) == (0, "before", 3, 1)
    assert phase["answered_by"] == {"east": 1, "west": 1}
    gap = [gap for data in timelines for gap in data["gaps"]][-1]
    assert (gap["number"], gap["lost"]) == (0, 1)
    assert gap["recovery_s"] == pytest.approx(gap["to_s"] - gap["from_s"], abs=0.002)
    assert timelines[-1]["under_way"] == 0


def test_a_stream_shows_failures_and_goes_on(serve):
    turns = iter([httpx2.Response(503), podinfo("west", "p")])
    with serve(lambda _: next(turns)) as client:
        found = events(client.get("/api/stream?count=2&rate=100").text)

    assert [data["status"] for name, data in found if name == "answer"] == [503, 200]


def test_streams_share_a_budget_and_give_it_back(serve):
    with serve(lambda _: podinfo("east", "p"), stream_budget_per_s=50) as client:
        refused = client.get("/api/stream?rate=51")
        for _ in range(2):
            assert client.get("/api/stream?rate=50&count=1").status_code == 200
        budget = client.app.state.service.budget
        with budget.take(40):
            crowded = client.get("/api/stream?rate=11")

    assert budget.taken_per_s == 0
    assert refused.status_code == crowded.status_code == 503
    assert refused.json()["error"]["what"] == "50 of 50 requests/s are free, not 51"
    assert crowded.json()["error"]["what"] == "10 of 50 requests/s are free, not 11"


def test_while_draining_it_is_alive_but_not_ready(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        assert client.get("/readyz").status_code == 200
        client.app.state.service.draining.set()

        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert client.get("/api/stream").status_code == 503
        assert client.get("/api/answers?count=1").status_code == 200, "requests under way are still served"


def test_a_service_needs_no_upstream_to_be_ready(serve):
    def handler(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("down")

    with serve(handler) as client:
        assert isinstance(client, TestClient)
        assert client.get("/readyz").json() == {"status": "ok"}
