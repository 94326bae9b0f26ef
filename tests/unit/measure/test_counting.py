"""What is counted of a load: slots, phases, gaps. The frontend counts its streams with the same file."""

from __future__ import annotations

import random
from dataclasses import replace

from lab.base.paths import APPS
from lab.measure import counting
from lab.measure.counting import (
    BEFORE,
    Gap,
    GapCount,
    LoadMark,
    PhaseCount,
    Request,
    gaps,
    percentile,
    phases,
    recovery_s,
    slots,
)


def answered(*times: float, by: str = "west", latency_ms: float = 10) -> list[Request]:
    return [Request(at_s=time, latency_ms=latency_ms, answered_by=by) for time in times]


def lost(*times: float, refused: bool = False) -> list[Request]:
    return [Request(at_s=t, latency_ms=3000, answered_by=None, error="gone", refused=refused) for t in times]


def test_the_frontend_counts_with_the_same_file() -> None:
    link = APPS / "frontend" / "frontend" / "counting.py"
    assert link.read_bytes() == (APPS.parent / "lab" / "measure" / "counting.py").read_bytes()
    assert link.is_symlink(), "a copy would soon count differently"


def test_slots_count_who_answered_and_what_was_lost_second_by_second() -> None:
    requests = (
        Request(at_s=0.1, latency_ms=1, answered_by="west"),
        Request(at_s=0.9, latency_ms=3, answered_by="east", attempts=2),
        Request(at_s=1.0, latency_ms=5000, answered_by=None, error="gone"),
        Request(at_s=1.5, latency_ms=1, answered_by=None, error="403", refused=True),
        Request(at_s=3.2, latency_ms=2, answered_by="east"),
    )
    first, second, third, fourth, fifth = slots(requests, (LoadMark(at_s=4.5, text="end"),))
    assert (first.sent, first.answered_by, first.lost, first.p50_ms, first.p99_ms, first.retried) == (
        2,
        {"east": 1, "west": 1},
        0,
        1,
        3,
        1,
    )
    assert (second.sent, second.answered_by, second.lost, second.refused, second.p50_ms) == (2, {}, 2, 1, None)
    assert (third.sent, fourth.answered_by, fifth.sent) == (0, {"east": 1}, 0)
    assert [slot.from_s for slot in (first, second, third)] == [0, 1, 2]


def test_no_requests_are_no_slots_one_empty_phase_and_no_gap() -> None:
    assert slots((), ()) == ()
    assert gaps((), ()) == ()
    (only,) = phases((), ())
    assert (only.name, only.sent, only.rto_s) == (BEFORE, 0, 0.0)


def test_losses_with_answers_between_them_are_one_gap_and_later_ones_another() -> None:
    requests = [*answered(0, 1, 3, 5, 6, 7, 8, 9), *lost(2, 4), *lost(10), *answered(11)]
    assert gaps(requests, ()) == (
        Gap(from_s=2, to_s=5, recovery_s=3, lost=2, refused=0, phase=BEFORE, intended=False),
        Gap(from_s=10, to_s=11, recovery_s=1, lost=1, refused=0, phase=BEFORE, intended=False),
    )


def test_a_gap_that_is_not_over_has_no_recovery_time() -> None:
    assert [(gap.to_s, gap.recovery_s, gap.lost) for gap in gaps([*answered(0), *lost(1, 2, 9)], ())] == [
        (None, None, 3)
    ]


def test_a_gap_that_begins_just_before_its_mark_is_intended_too() -> None:
    mark = LoadMark(at_s=2.5, text="the gateway is killed", intended=True)
    (gap,) = gaps([*answered(0, 1), *lost(2, 3), *answered(4)], (mark,))
    assert (gap.phase, gap.intended, gap.from_s) == ("the gateway is killed", True, 2)


def test_a_gap_belongs_to_the_phase_in_which_it_began() -> None:
    (gap,) = gaps([*lost(0), *lost(2), *answered(3)], (LoadMark(at_s=1, text="a step"),))
    assert (gap.phase, gap.intended) == (BEFORE, False)


def test_a_gap_in_an_intended_phase_is_intended() -> None:
    marks = (LoadMark(at_s=1.5, text="the gateway is killed", intended=True), LoadMark(at_s=3.5, text="it starts"))
    (gap,) = gaps([*answered(0, 1), *lost(2, 3, 4), *answered(5)], marks)
    assert (gap.phase, gap.intended, gap.recovery_s) == ("the gateway is killed", True, 3)
    before, killed, _ = phases([*answered(0, 1), *lost(2, 3, 4), *answered(5)], marks)
    assert (before.intended, killed.intended, killed.rto_s) == (False, True, None)


def test_refused_requests_are_lost_and_counted_apart() -> None:
    requests = [*answered(0), *lost(1, refused=True), *lost(2)]
    (phase,), (gap,) = phases(requests, ()), gaps(requests, ())
    assert (phase.lost, phase.refused, gap.lost, gap.refused) == (2, 1, 2, 1)


def test_retries_are_unknown_until_a_request_has_known_attempts() -> None:
    (untold,) = phases([*answered(0, 1), *lost(2)], ())
    assert untold.retried is None
    assert "retried" not in untold.words
    once = Request(at_s=3, latency_ms=1, answered_by="west", attempts=1)
    (none,) = phases([*answered(0), once], ())
    assert none.retried == 0
    assert "1 lost, 1 retried" in phases([*lost(0), once, replace(once, attempts=3)], ())[0].words
    assert [slot.retried for slot in slots([*answered(0), replace(once, at_s=1.5)], ())] == [None, 0]


def test_request_by_request_gives_the_same_as_the_whole_load() -> None:
    chance = random.Random(7)
    requests = [
        (lost if chance.random() < 0.2 else answered)(n / 10)[0] for n in range(600) if n not in range(100, 130)
    ]
    mark = LoadMark(at_s=31.0, text="changed")
    counts, current, gap_count, found = [PhaseCount()], PhaseCount(), GapCount(quiet_s=0.5), []
    current = counts[0]
    for request in requests:
        if request.at_s >= mark.at_s and current is counts[0]:
            current = PhaseCount(mark)
            counts.append(current)
        current.add(request)
        found.append(gap_count.add(request, mark=current.mark))
    found.append(gap_count.flush())
    before, after = phases(requests, (mark,))
    assert [counts[0].phase(before.to_s), counts[1].phase(after.to_s)] == [before, after]
    assert tuple(gap for gap in found if gap) == gaps(requests, (mark,), quiet_s=0.5)
    assert sum(gap.lost for gap in gaps(requests, (), quiet_s=0.5)) == before.lost + after.lost > 0


def test_percentiles_of_a_long_phase_are_of_its_latest_answers() -> None:
    count = PhaseCount(keep=10)
    for n in range(100):
        count.add(answered(n, latency_ms=n)[0])
    phase = count.phase(100)
    assert (phase.sent, phase.p50_ms, phase.p99_ms) == (100, 94, 99)


def test_recovery_does_not_depend_on_the_order_of_the_answers() -> None:
    requests = [*answered(1, 3, 4.5, 5), *lost(2, 4)]
    for seed in range(5):
        random.Random(seed).shuffle(requests)
        assert recovery_s(requests, since_s=1.5) == 3.0


def test_percentiles_are_nearest_rank() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50.0, 99.0, 100.0)
    assert percentile([], 50) is None


def test_the_counting_needs_nothing_but_the_standard_library() -> None:
    # The frontend's image has no other module of the lab.
    assert "lab" not in {name.split(".")[0] for name in _imports(counting.__file__)}


def _imports(file: str) -> set[str]:
    import ast
    from pathlib import Path

    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
