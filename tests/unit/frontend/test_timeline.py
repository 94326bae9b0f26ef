"""The counting of a stream: what it closes, what it reports, and that it does not grow."""

import gc
import random
import tracemalloc

import pytest
from frontend import counting
from frontend.answers import Answer, Failure, FailureKind, Info
from frontend.counting import LoadMark, Request
from frontend.timeline import MAX_SLOTS, Timeline

LOST = Failure(kind=FailureKind.CONNECT, detail="Connection refused")
REFUSED = Failure(kind=FailureKind.STATUS, detail="HTTP 403: RBAC: access denied", refused=True)


def answer(n: int, cluster: str | None = "west", *, error: Failure | None = None, latency_ms: float = 5) -> Answer:
    info = Info() if error else Info(cluster=cluster, pod="p")
    return Answer(n=n, sent_at="", latency_ms=latency_ms, status=200, info=info, error=error)


def test_a_slot_closes_when_its_last_request_has_a_result():
    timeline = Timeline()
    timeline.sent(1, 0.2)
    timeline.sent(2, 0.9)
    timeline.answered(answer(2))

    assert timeline.report(1.1).slots == []
    waiting = timeline.report(3.0)
    assert (waiting.slots, waiting.under_way) == ([], 1)

    timeline.answered(answer(1, error=LOST))
    report = timeline.report(3.05)
    assert [(slot.from_s, slot.sent, slot.lost) for slot in report.slots] == [(0, 2, 1), (1, 0, 0), (2, 0, 0)]
    assert timeline.report(3.06).slots == [], "a closed slot is reported once"


def test_the_final_report_closes_the_second_that_has_begun():
    timeline = Timeline()
    timeline.sent(1, 0.1)
    timeline.answered(answer(1))

    assert timeline.report(0.5).slots == []
    assert [slot.sent for slot in timeline.report(0.6, final=True).slots] == [1]


def test_requests_count_in_the_phase_in_which_they_were_sent():
    timeline = Timeline()
    for n, at_s in enumerate((0.1, 0.4, 0.6, 1.2), start=1):
        timeline.sent(n, at_s)
    timeline.mark(LoadMark(at_s=0.5, text="kill podinfo", intended=True))
    for n in (4, 3):
        timeline.answered(answer(n, error=LOST))
    for n in (2, 1):
        timeline.answered(answer(n))

    phases = dict(timeline.report(2.0).phases)
    assert {number: (phase.name, phase.sent, phase.lost) for number, phase in phases.items()} == {
        0: ("before", 2, 0),
        1: ("kill podinfo", 2, 2),
    }
    assert phases[1].intended
    assert phases[1].rto_s is None


def test_an_ended_phase_is_reported_once_and_the_current_one_each_time():
    timeline = Timeline()
    timeline.mark(LoadMark(at_s=0.5, text="a"))
    assert [number for number, _ in timeline.report(1.0).phases] == [0, 1]
    assert [number for number, _ in timeline.report(2.0).phases] == [1]


def test_a_gap_is_reported_while_it_changes_and_when_it_has_ended():
    timeline = Timeline()
    reports = []
    for second in range(8):
        timeline.sent(second, second + 0.5)
        timeline.answered(answer(second, error=LOST if second in {1, 2} else None))
        reports.append([(number, gap.lost, gap.to_s) for number, gap in timeline.report(second + 1).gaps])

    assert reports == [[], [(0, 1, None)], [(0, 2, None)], [(0, 2, 3.5)], [], [(0, 2, 3.5)], [], []]


def test_refused_requests_and_retries_are_counted():
    timeline = Timeline()
    timeline.sent(1, 0)
    timeline.sent(2, 0.1)
    timeline.answered(answer(1, error=REFUSED))
    timeline.answered(
        Answer(n=2, sent_at="", latency_ms=9, status=200, info=Info(cluster=None), error=None, attempts=2)
    )

    (slot,) = timeline.report(1).slots
    assert (slot.lost, slot.refused, slot.retried, slot.answered_by) == (1, 1, 1, {"unknown": 1})


def test_retries_are_null_in_json_where_no_answer_tells_its_attempts():
    timeline = Timeline()
    timeline.sent(1, 0)
    timeline.answered(answer(1))
    timeline.sent(2, 1.5)
    timeline.answered(Answer(n=2, sent_at="", latency_ms=9, status=200, info=Info(), error=None, attempts=1))

    first, second = (timeline.report(at_s).as_json() for at_s in (1, 2))
    assert [slot["retried"] for slot in (*first["slots"], *second["slots"])] == [None, 0]
    assert [phase["retried"] for phase in (*first["phases"], *second["phases"])] == [None, 0]


def test_the_numbers_are_those_of_the_load_command():
    """The same requests, once as an ended load, once request by request with answers in any order."""
    chance, timeline = random.Random(3), Timeline()
    marks = [LoadMark(at_s=4.25, text="cut the link", intended=True), LoadMark(at_s=9.5, text="restored")]
    requests, results = [], []
    for n in range(1, 401):
        at_s = (n - 1) * 0.04
        lost = 4.25 <= at_s < 8 and chance.random() < 0.5
        latency_ms, cluster = chance.uniform(1, 900), chance.choice(["east", "west"])
        error = LOST if lost else None
        results.append((at_s + latency_ms / 1000, n, answer(n, cluster, error=error, latency_ms=latency_ms)))
        by = None if lost else cluster
        requests.append(Request(at_s=at_s, latency_ms=latency_ms, answered_by=by, error="connect" if lost else ""))
        timeline.sent(n, at_s)
    for mark in marks:
        timeline.mark(mark)
    slots, phases, gaps = [], {}, {}
    for second in range(20):
        for _, _, result in sorted(r for r in results if second <= r[0] < second + 1):
            timeline.answered(result)
        report = timeline.report(second + 1)
        slots += report.slots
        phases.update(report.phases)
        gaps.update(report.gaps)

    assert tuple(slot for slot in slots if slot.sent) == counting.slots(requests, marks)
    assert list(gaps.values()) == list(counting.gaps(requests, marks))
    wanted = counting.phases(requests, marks)
    assert [phases[n] for n in (0, 1)] == list(wanted[:2])
    assert (phases[2].sent, phases[2].answered_by, phases[2].p99_ms) == (
        wanted[2].sent,
        wanted[2].answered_by,
        wanted[2].p99_ms,
    )


def test_a_report_of_a_stream_that_stood_still_is_short():
    timeline = Timeline()
    report = timeline.report(10_000)

    assert len(report.slots) == MAX_SLOTS
    assert report.slots[-1].from_s == 9_999


@pytest.mark.parametrize("lost", [False, True])
def test_ten_minutes_at_fifty_requests_per_second_stay_in_a_flat_memory(lost: bool):
    timeline, n, sizes = Timeline(), 0, []
    tracemalloc.start()
    try:
        for second in range(600):
            for tick in range(50):
                n += 1
                timeline.sent(n, second + tick / 50)
                timeline.answered(answer(n, error=LOST if lost and tick % 2 else None))
            timeline.report(second + 1).as_json()
            if second in {199, 599}:
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()

    assert sizes[1] - sizes[0] < 20_000, f"{sizes} bytes after 200 s and after 600 s"
