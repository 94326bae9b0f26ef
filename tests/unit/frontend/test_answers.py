import pytest
from frontend.answers import Answer, Failure, FailureKind, Info, is_refusal, parse_info, read_attempts, totals


def info(message: object = "cluster=east; Hello", **fields: object) -> Info:
    import json

    return parse_info(json.dumps({"hostname": "podinfo-1", "message": message, **fields}).encode())


def answer(n: int, cluster: str | None = None, latency_ms: float = 1.0, failure: FailureKind | None = None) -> Answer:
    return Answer(
        n=n,
        sent_at="2026-11-23T12:00:00.000Z",
        latency_ms=latency_ms,
        status=200,
        info=Info(cluster=cluster, pod=f"{cluster}-1", version="6.9.2"),
        error=failure and Failure(kind=failure, detail="…"),
    )


@pytest.mark.parametrize(
    ("message", "cluster", "words"),
    [
        ("cluster=east; Greetings from East", "east", "Greetings from East"),
        ("cluster=east;no space; and more; words", "east", "no space; and more; words"),
        ("cluster=east", "east", None),
        ("cluster=east; two\nlines", "east", "two\nlines"),
        ("greetings from podinfo v6.9.2", None, "greetings from podinfo v6.9.2"),
        ("cluster=East; upper case is no cluster", None, "cluster=East; upper case is no cluster"),
        ("cluster=; nothing", None, "cluster=; nothing"),
        ("my cluster=east; not at the start", None, "my cluster=east; not at the start"),
        (7, None, None),
    ],
)
def test_the_message_tells_the_cluster_only_in_its_strict_form(message: object, cluster: str | None, words: str | None):
    found = info(message)

    assert (found.cluster, found.message) == (cluster, words)


@pytest.mark.parametrize("color", ["red", "#12345", "#1234567", "#12345g", "url(http://x)", 5])
def test_a_color_that_is_none_is_left_out(color: object):
    assert info(color=color).color is None
    assert info(color="#34577c").color == "#34577c"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"hostname": ""}', b'{"hostname": 3}', b"\xff\xfe"])
def test_what_is_not_podinfo_is_refused(body: bytes):
    with pytest.raises(ValueError, match=r"^no (JSON object|podinfo)"):
        parse_info(body)


def test_totals_count_by_cluster_pod_and_failure():
    answers = [
        answer(1, "east", 3),
        answer(2, "west", 1),
        answer(3, "east", 2),
        answer(4, None, 9),
        answer(5, failure=FailureKind.TIMEOUT, latency_ms=3000),
    ]

    assert totals(answers) == {
        "requests": 5,
        "answered": 4,
        "failed": 1,
        "by_cluster": {"east": 2, "unknown": 1, "west": 1},
        "by_pod": {"None-1": 1, "east-1": 2, "west-1": 1},
        "by_version": {"6.9.2": 4},
        "by_failure": {"timeout": 1},
        "latency_ms": {"p50": 2, "p99": 9, "max": 9},
    }


def test_totals_of_failures_only_have_no_latency():
    assert totals([answer(1, failure=FailureKind.CONNECT)])["latency_ms"] == {
        "p50": None,
        "p99": None,
        "max": None,
    }


@pytest.mark.parametrize(
    ("status", "headers", "body", "refused"),
    [
        (403, {"server": "istio-envoy", "content-type": "text/plain"}, b"RBAC: access denied", True),  # Envoy
        (403, {"content-length": "0"}, b"", True),  # Linkerd's proxy
        (403, {"server": "nginx"}, b"", False),
        (403, {"content-type": "application/json"}, b"{}", False),
        (403, {}, b"Forbidden", False),
        (401, {}, b"", False),
        (503, {"server": "envoy"}, b"RBAC: access denied", False),
    ],
)
def test_a_refusal_is_recognised_by_its_status_and_the_meshs_own_words(status, headers, body, refused):
    assert is_refusal(status, headers, body) is refused


@pytest.mark.parametrize(
    ("text", "attempts"), [("2", 2), ("1", 1), ("0", None), ("-1", None), ("x", None), ("9999", None)]
)
def test_attempts_are_what_the_answer_says_or_unknown(text, attempts):
    assert read_attempts({"x-envoy-attempt-count": text}) == attempts
    assert read_attempts({}) is None
