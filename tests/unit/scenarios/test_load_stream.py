"""The stream's events are taken apart without a server; a broken stream is a lost request."""

from __future__ import annotations

import http.client
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from lab.measure.stream_load import StreamLoad

START = datetime(2026, 1, 1, tzinfo=UTC)


class Response(io.BytesIO):
    status = http.client.OK


def answer(n: int, *, error: bool = False, **more: Any) -> bytes:
    said = {
        "n": n,
        "sent_at": (START + timedelta(seconds=n / 10)).isoformat(),
        "latency_ms": 0.0,
        "cluster": None if error else "west",
        "pod": None if error else "podinfo-1",
        "error": {"kind": "timeout", "detail": "3 s"} if error else None,
        **more,
    }
    return f"id: {n}\nevent: answer\ndata: {json.dumps(said)}\n\n".encode()


def followed(*events: bytes) -> StreamLoad:
    load = StreamLoad(name="inside", base="http://127.0.0.1:1", upstream="podinfo", rate_per_s=10)
    response = Response(b"event: hello\ndata: {}\n\n" + b"".join(events))
    load._broken = load._follow(cast("Any", response))
    return load


def test_answers_and_losses_are_counted_by_the_frontends_own_times() -> None:
    recording = followed(answer(1), answer(2, error=True), answer(3)).stop()

    times = sorted(request.at_s for request in recording.requests if "broke" not in request.error)
    assert [round(times[n] - times[0], 3) for n in (1, 2)] == [0.1, 0.2]
    assert {request.error for request in recording.lost} == {"timeout: 3 s", "the stream broke: the stream ended"}
    assert len(recording.requests) == 4


def test_attempts_are_those_of_the_answers_also_of_a_frontend_that_does_not_tell_them() -> None:
    events = answer(1), answer(2, attempts=None), answer(3, attempts=2)
    requests = followed(*events).stop().requests
    assert [request.attempts for request in requests if request.answered_by] == [None, None, 2]


def test_a_number_that_never_came_and_a_stream_that_broke_are_lost_requests() -> None:
    recording = followed(answer(1), answer(3)).stop()

    assert {request.error for request in recording.lost} == {"the stream ended", "the stream broke: the stream ended"}
    assert len(recording.requests) == 4


def test_stopping_leaves_out_only_what_was_sent_after_it() -> None:
    load = followed(answer(1), answer(2))
    load._broken = ""
    recording = load.stop()

    assert [request.answered_by for request in recording.requests] == ["west", "west"]
