from __future__ import annotations

from lab.measure.recording import LoadMark, Recording, Request
from lab.measure.timeline import slots


def test_slots_count_who_answered_and_what_was_lost_second_by_second() -> None:
    requests = (
        Request(at_s=0.1, latency_ms=1, answered_by="west"),
        Request(at_s=0.9, latency_ms=3, answered_by="east"),
        Request(at_s=1.0, latency_ms=5000, answered_by=None, error="gone"),
        Request(at_s=3.2, latency_ms=2, answered_by="east"),
    )
    first, second, third, fourth, fifth = slots(
        Recording(name="load", rate_per_s=1, requests=requests, marks=(LoadMark(at_s=4.5, text="end"),))
    )
    assert (first.sent, first.answered_by, first.lost, first.p50_ms, first.p99_ms) == (
        2,
        {"east": 1, "west": 1},
        0,
        1,
        3,
    )
    assert (second.sent, second.answered_by, second.lost, second.p50_ms) == (1, {}, 1, None)
    assert (third.sent, fourth.answered_by, fifth.sent) == (0, {"east": 1}, 0)
    assert [slot.from_s for slot in (first, second, third)] == [0, 1, 2]


def test_a_recording_without_requests_has_no_slots() -> None:
    assert slots(Recording(name="load", rate_per_s=1, requests=(), marks=())) == ()
