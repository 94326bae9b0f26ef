from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lab.base import wait
from lab.measure.counting import LoadMark, Request, recovery_s
from lab.measure.load import Load, running, through_frontend
from lab.measure.recording import Recording


def at(*times: float, lost: bool = False, by: str = "west") -> list[Request]:
    error = {"answered_by": None, "error": "gone"} if lost else {"answered_by": by}
    return [Request(at_s=time, latency_ms=10, **error) for time in times]


def test_nothing_lost_is_no_recovery_time() -> None:
    assert recovery_s(at(1, 2, 3), since_s=1) == 0


def test_recovery_counts_until_the_first_request_after_the_last_loss() -> None:
    requests = [*at(1), *at(2, lost=True), *at(3), *at(4, lost=True), *at(4.5, 5)]
    assert recovery_s(requests, since_s=1.5) == 3.0


def test_no_recovery_when_the_last_request_was_lost() -> None:
    assert recovery_s([*at(1), *at(2, lost=True)], since_s=1) is None


def test_phases_split_at_the_marks_and_leave_nothing_out() -> None:
    recording = Recording(
        name="inside",
        rate_per_s=1,
        requests=(*at(0, 1), *at(2, 3, lost=True), *at(4, 5, by="east")),
        marks=(LoadMark(at_s=1.5, text="pods die"), LoadMark(at_s=4.5, text="pods are back")),
    )
    before, died, back = recording.phases()

    assert sum(phase.sent for phase in (before, died, back)) == 6
    assert (died.name, died.sent, died.lost, died.rto_s, dict(died.answered_by)) == ("pods die", 3, 2, 2.5, {"east": 1})
    assert (before.lost, back.lost, back.rto_s) == (0, 0, 0)
    assert "2 lost" in died.words
    assert "recovered in 2.5 s" in died.words


def test_a_takeover_ends_with_the_first_whole_answer_and_the_slowest_request_is_its_cost() -> None:
    waited = Request(at_s=2.0, latency_ms=3000, answered_by="east")
    recording = Recording(
        name="inside",
        rate_per_s=1,
        requests=(*at(0), waited, *at(3.0, lost=True), *at(6.0, by="east"), *at(9, by="west")),
        marks=(LoadMark(at_s=1.5, text="pods die"), LoadMark(at_s=8.5, text="pods start")),
    )
    before, died, back = recording.phases()

    assert recording.takeover_s(died, "east") == 3.5
    assert recording.slowest_ms(died) == 3000
    assert recording.takeover_s(back, "east") is None
    assert recording.slowest_ms(before) == 10


def test_the_load_is_sent_on_time_however_slow_the_answers_are() -> None:
    """45 requests are sent before the first is answered, so the last of them is due 0.44 s after the first."""
    release, sent = threading.Event(), threading.Semaphore(0)

    def slow() -> Request:
        sent.release()
        release.wait(30)
        return Request(at_s=0, latency_ms=0, answered_by="west")

    with running(Load("slow", 100, slow)) as load:
        for _ in range(45):
            assert sent.acquire(timeout=30)
        release.set()
        recording = load.stop()

    assert len(recording.requests) >= 45
    assert [round(r.at_s * 100) for r in recording.requests] == list(range(len(recording.requests)))
    assert recording.requests[0].latency_ms >= 440


def test_a_probe_with_a_defect_is_a_lost_request_not_a_missing_one() -> None:
    def broken() -> Request:
        raise RuntimeError("defect")

    with running(Load("broken", 100, broken)) as load:
        wait.until("some", lambda: len(load.so_far.requests) > 3 or wait.NotYet("soon"), timeout_s=5, interval_s=0.01)
        recording = load.stop()

    assert len(recording.lost) == len(recording.requests) > 3
    assert recording.lost[0].error == "RuntimeError: defect"


@pytest.fixture
def frontend() -> Iterator[tuple[str, dict[str, object]]]:
    answer: dict[str, object] = {"cluster": "west", "pod": "podinfo-1", "error": None}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"answers": [answer]}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", answer
        server.shutdown()
        thread.join()


def test_an_answer_through_the_frontend_names_its_cluster(frontend: tuple[str, dict[str, object]]) -> None:
    base, _ = frontend
    request = through_frontend([base], "podinfo")()
    assert (request.answered_by, request.pod, request.attempts) == ("west", "podinfo-1", None)


@pytest.mark.parametrize(("by_proxy", "bases", "attempts"), [(1, 0, 1), (3, 0, 3), (3, 1, 4), (None, 1, 2)])
def test_attempts_are_those_of_the_frontends_proxy_and_the_clients_own(
    frontend: tuple[str, dict[str, object]], by_proxy: int | None, bases: int, attempts: int
) -> None:
    base, answer = frontend
    answer["attempts"] = by_proxy
    request = through_frontend([*["http://127.0.0.1:1"] * bases, base], "podinfo")()
    assert (request.answered_by, request.attempts) == ("west", attempts)


def test_a_lost_request_has_the_attempts_of_its_proxy(frontend: tuple[str, dict[str, object]]) -> None:
    base, answer = frontend
    answer |= {"error": {"kind": "status", "detail": "HTTP 503"}, "attempts": 4}
    assert through_frontend([base], "podinfo")().attempts == 4
    assert through_frontend(["http://127.0.0.1:1"], "podinfo")().attempts is None


def test_a_dead_address_is_retried_at_the_next_one_and_counted(frontend: tuple[str, dict[str, object]]) -> None:
    base, _ = frontend
    request = through_frontend(["http://127.0.0.1:1", base], "podinfo")()
    assert (request.answered_by, request.attempts) == ("west", 2)


def test_a_failure_that_the_frontend_reports_is_a_lost_request(frontend: tuple[str, dict[str, object]]) -> None:
    base, answer = frontend
    answer["error"] = {"kind": "timeout", "detail": "no whole answer within 3 s"}
    request = through_frontend([base], "podinfo")()
    assert request.answered_by is None
    assert "timeout: no whole answer within 3 s" in request.error
