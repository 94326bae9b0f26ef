"""Taps: each is one real request, whose answer every open stream of its upstream gets."""

import json
from functools import partial

import httpx2
import pytest
from frontend.pace import Bucket
from frontend.taps import PER_S

from .conftest import Counting, podinfo

JSON = {"content-type": "application/json"}


def tap(client, body: object = None, **headers: str):
    text = body if isinstance(body, str) else json.dumps({"upstream": "podinfo"} if body is None else body)
    return client.post("/api/taps", content=text, headers={**JSON, **headers})


def test_a_tap_is_exactly_one_request_and_has_its_answer(serve):
    upstreams = Counting()
    with serve(upstreams) as client:
        response = tap(client, {"upstream": "podinfo-east"})
        like = client.get("/api/answers?count=1").json()["answers"][0]

    assert response.status_code == 200
    body = response.json()
    assert body["schema"] == "frontend/tap/v1"
    assert body["frontend"]["cluster"] == "west"
    assert body["upstream"] == {"name": "podinfo-east", "url": "http://podinfo-east:9898"}
    assert set(body["answer"]) == set(like)
    assert (body["answer"]["cluster"], body["answer"]["pod"], body["answer"]["error"]) == ("east", "podinfo-1", None)
    assert upstreams.seen == {"http://podinfo-east:9898/api/info": 1, "http://podinfo:9898/api/info": 1}


def test_a_failed_tap_is_an_answer_with_its_kind_and_is_not_sent_again(serve):
    upstreams = Counting(lambda: httpx2.Response(503, text="no healthy upstream"))
    with serve(upstreams) as client:
        response = tap(client)

    assert response.status_code == 200
    answer = response.json()["answer"]
    assert (answer["cluster"], answer["status"], answer["error"]["kind"]) == (None, 503, "status")
    assert upstreams.seen.total() == 1


def test_a_tap_without_a_name_is_for_the_default_upstream(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        assert tap(client, {}).json()["upstream"]["name"] == "podinfo"


def test_taps_reach_the_streams_of_their_upstream_only(serve):
    shown = {"podinfo": [], "podinfo-east": []}
    with serve(lambda _: podinfo("east", "p")) as client:
        board = client.app.state.service.taps
        settings = client.app.state.service.settings
        for name, found in shown.items():
            board.of(settings.upstream(name)).send = found.append
        numbers = [tap(client).json()["answer"]["n"] for _ in range(2)]

    assert numbers == [1, 2]
    assert [one.n for one in shown["podinfo"]] == [1, 2]
    assert shown["podinfo-east"] == []


@pytest.mark.parametrize(
    ("body", "what", "next_step"),
    [
        ("{", "the body is not JSON", '{"upstream": "podinfo"}'),
        ("[]", "the body is not a JSON object", '{"upstream": "podinfo"}'),
        ('{"url": "http://x"}', "unknown field 'url'", '{"upstream": "podinfo"}'),
        ('{"upstream": "http://x"}', "unknown upstream 'http://x'", "podinfo, podinfo-east"),
        ('{"upstream": ["podinfo"]}', "unknown upstream ['podinfo']", "podinfo, podinfo-east"),
        ('{"upstream": null}', "unknown upstream None", "podinfo, podinfo-east"),
    ],
)
def test_a_bad_tap_sends_nothing_and_says_what_is_wrong(serve, body, what, next_step):
    upstreams = Counting()
    with serve(upstreams) as client:
        response = tap(client, body)

    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["what"], error["where"]) == (what, "body")
    assert next_step in error["next"]
    assert upstreams.seen.total() == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"host": "127.0.0.1:8080", "origin": "http://evil.example"}, 403),
        ({"host": "evil.example", "origin": "http://evil.example"}, 403),
        ({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:7465"}, 200),
        ({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}, 200),
    ],
)
def test_no_page_of_another_origin_taps(serve, headers, status):
    upstreams = Counting()
    with serve(upstreams) as client:
        assert tap(client, **headers).status_code == status

    assert upstreams.seen.total() == (1 if status == 200 else 0)


def test_a_flood_of_taps_is_refused_before_it_reaches_the_mesh(serve, monkeypatch):
    upstreams, now = Counting(), [100.0]
    monkeypatch.setattr("frontend.taps.Bucket", partial(Bucket, clock=lambda: now[0]))
    with serve(upstreams) as client:
        statuses = [tap(client).status_code for _ in range(int(PER_S))]
        refused = tap(client, {"upstream": "podinfo-east"})
        assert upstreams.seen.total() == PER_S
        now[0] += 1.5 / PER_S
        statuses.append(tap(client).status_code)

    assert set(statuses) == {200}
    assert refused.status_code == 429
    assert refused.json()["schema"] == "frontend/error/v1"
    assert refused.json()["error"]["what"] == "more than 60 taps per second"


def test_a_tap_can_only_be_posted(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        assert client.get("/api/taps").status_code == 405
