"""Marks: who may set them, what they may say, and who gets them."""

import json

import pytest

from .conftest import podinfo

JSON = {"content-type": "application/json"}


def post(client, body: object = None, **headers: str):
    text = body if isinstance(body, (str, bytes)) else json.dumps(body or {"text": "kill podinfo"})
    return client.post("/api/marks", content=text, headers={**JSON, **headers})


def test_a_mark_is_kept_with_its_time_and_kind(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        made = post(client, {"text": " kill\n podinfo ", "kind": "fault", "intended": True})
        found = client.get("/api/marks").json()

    assert made.status_code == 201
    mark = made.json()["mark"]
    assert (mark["id"], mark["text"], mark["kind"], mark["intended"]) == (1, "kill podinfo", "fault", True)
    assert set(mark) == {"id", "at", "text", "kind", "intended"}
    assert found == {"schema": "frontend/marks/v1", "marks": [mark]}


def test_a_mark_without_a_kind_is_a_note_that_intends_no_failure(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        mark = post(client, {"text": "look here"}).json()["mark"]

    assert (mark["kind"], mark["intended"]) == ("note", False)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("{", "the body is not JSON"),
        ("[" * 3000, "the body is not JSON"),
        ("[]", "the body is not a JSON object"),
        ("{}", "'text' is not a text with at least one character"),
        ('{"text": " \\u0007 "}', "'text' is not a text with at least one character"),
        ('{"text": 5}', "'text' is not a text with at least one character"),
        (json.dumps({"text": "x" * 121}), "'text' has 121 characters, more than 120"),
        ('{"text": "x", "kind": "joke"}', "kind='joke' is not known"),
        ('{"text": "x", "kind": ["note"]}', "kind=['note'] is not known"),
        ('{"text": "x", "intended": "yes"}', "'intended' is not true or false"),
        ('{"text": "x", "at": 5}', "unknown field 'at'"),
    ],
)
def test_a_bad_mark_says_what_is_wrong_and_shows_a_good_one(serve, body, what):
    with serve(lambda _: podinfo("east", "p")) as client:
        response = post(client, body)

    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["what"], error["where"]) == (what, "body")
    assert '"text"' in error["next"]


def test_a_large_body_is_not_read_whole(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        assert post(client, b'{"text": "' + b"x" * 100_000 + b'"}').status_code == 413


def test_only_json_is_a_mark(serve):
    # A form of another page can send text/plain without asking, but not JSON.
    with serve(lambda _: podinfo("east", "p")) as client:
        response = post(client, **{"content-type": "text/plain"})

    assert response.status_code == 415


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080", 201),  # the page itself
        ("localhost:8080", "http://localhost:8080", 201),
        ("[::1]:8080", "http://[::1]:8080", 201),
        ("127.0.0.1:8080", "http://127.0.0.1:7465", 201),  # the stage
        ("127.0.0.1:8080", "http://localhost:7465", 201),
        ("127.0.0.1:8080", "http://127.0.0.1:9999", 403),
        ("127.0.0.1:8080", "http://evil.example", 403),
        ("evil.example", "http://evil.example", 403),  # DNS rebinding: the name leads here
        ("127.0.0.1:8080", "https://127.0.0.1:8080", 403),
        ("127.0.0.1:8080", "null", 403),
        ("127.0.0.1:8080", "http://[", 403),
    ],
)
def test_no_page_of_another_origin_sets_a_mark(serve, host, origin, status):
    with serve(lambda _: podinfo("east", "p")) as client:
        response = post(client, host=host, origin=origin)
        kept = client.get("/api/marks").json()["marks"]

    assert response.status_code == status
    assert len(kept) == (1 if status == 201 else 0)


def test_a_flood_of_marks_is_refused_and_the_list_stays_short(serve):
    with serve(lambda _: podinfo("east", "p")) as client:
        statuses = [post(client, {"text": str(n)}).status_code for n in range(300)]
        kept = client.get("/api/marks").json()["marks"]

    assert 429 in statuses
    assert len(kept) == min(200, statuses.count(201))
