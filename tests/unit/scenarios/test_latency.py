"""What one phase of a load costs more than another one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lab.measure.counting import LoadMark, Request
from lab.measure.recording import Recording
from lab.scenario.context import Context
from lab.scenario.loads import StepLoad
from scenarios.latency import Part, costs, slow_more_often

LOAD = StepLoad(name="far", service="podinfo")


def recorded(context: Context, phases: Mapping[str, Mapping[str, float]], *, slowest_ms: float = 0) -> None:
    """Record phases of ten seconds with ten answers of each cluster, which take so long."""
    requests, marks = [], []
    for number, (phase, latencies) in enumerate(phases.items()):
        marks.append(LoadMark(at_s=10.0 * number, text=phase))
        for cluster, latency_ms in latencies.items():
            requests += [
                Request(at_s=10.0 * number + 0.5 + step, latency_ms=latency_ms, answered_by=cluster)
                for step in range(9)
            ]
        if slowest_ms:
            requests.append(Request(at_s=10.0 * number + 9.6, latency_ms=slowest_ms, answered_by="east"))
    whole = Recording(name="inside", rate_per_s=1, requests=tuple(requests), marks=tuple(marks))
    context.memo[LOAD.key] = [whole.as_json()]


@pytest.mark.parametrize(("far_ms", "holds"), [(86, True), (75, False), (170, False)])
def test_the_difference_of_medians_must_be_within_its_bounds(context: Context, far_ms: float, holds: bool) -> None:
    recorded(context, {"near": {"east": 6}, "far": {"east": far_ms}})
    found = costs(Part(load=LOAD, phase="far"), Part(load=LOAD, phase="near"), least_ms=72, most_ms=152)(context)
    assert found.holds is holds
    assert found.seen == f"inside: p50 {far_ms} ms (far), p50 6 ms (near)"


def test_answers_of_one_cluster_are_compared_with_those_of_another(context: Context) -> None:
    recorded(context, {"far": {"east": 86, "west": 5}})
    east, west = Part(load=LOAD, phase="far", by="east"), Part(load=LOAD, phase="far", by="west")
    assert costs(east, west, least_ms=72)(context).holds
    assert not costs(west, east, least_ms=72)(context).holds


def test_a_percentile_of_the_first_part_is_compared_with_the_others_median(context: Context) -> None:
    recorded(context, {"near": {"west": 5}, "far": {"west": 5}}, slowest_ms=300)
    far, near = Part(load=LOAD, phase="far"), Part(load=LOAD, phase="near")
    assert not costs(far, near, least_ms=72)(context).holds
    found = costs(far, near, least_ms=72, percent=99)(context)
    assert found.holds
    assert found.seen == "inside: p99 300 ms (far), p50 5 ms (near)"


def test_a_part_without_answers_does_not_hold(context: Context) -> None:
    recorded(context, {"far": {"west": 5}})
    found = costs(Part(load=LOAD, phase="far", by="east"), Part(load=LOAD, phase="far"), least_ms=float("-inf"))(
        context
    )
    assert (found.holds, found.seen) == (False, "inside: no answers")


def test_low_percentiles_can_be_compared(context: Context) -> None:
    recorded(context, {"near": {"west": 5}, "far": {"west": 5, "east": 200}}, slowest_ms=300)
    far, near = Part(load=LOAD, phase="far"), Part(load=LOAD, phase="near")
    assert costs(far, near, least_ms=0, most_ms=40, percent=10, of=10)(context).holds
    assert not costs(far, near, least_ms=0, most_ms=40)(context).holds


@pytest.mark.parametrize(
    ("lossy", "quiet", "holds"),
    [
        ([1, 3, 5, 7], [], True),
        ([1, 3, 5, 7], [2, 2.1, 2.2, 2.3, 2.4], True),  # one stall of the machine
        ([2, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6], [], False),
        ([1, 3, 5, 7], [2, 4, 6], False),
        ([], [], False),
        ([], [1, 3, 5, 7], False),
    ],
)
def test_what_other_work_delays_is_not_taken_for_lost_packets(
    context: Context, lossy: list[float], quiet: list[float], holds: bool
) -> None:
    marks = [LoadMark(at_s=0, text="loss"), LoadMark(at_s=10, text="quiet")]
    slow = {*lossy, *(10 + at_s for at_s in quiet)}
    requests = [
        Request(at_s=number / 10, latency_ms=300 if number / 10 in slow else 90, answered_by="east")
        for number in range(200)
    ]
    whole = Recording(name="inside", rate_per_s=10, requests=tuple(requests), marks=tuple(marks))
    context.memo[LOAD.key] = [whole.as_json()]
    loss, without = Part(load=LOAD, phase="loss"), Part(load=LOAD, phase="quiet")
    assert slow_more_often(loss, without, slow_ms=120, fast=10, least_per_s=0.25)(context).holds is holds


def test_the_slow_moments_of_both_loads_are_added(context: Context) -> None:
    recorded(context, {"loss": {"west": 5}, "quiet": {"west": 5}}, slowest_ms=300)
    context.memo[LOAD.key] *= 2
    loss = Part(load=LOAD, phase="loss")
    found = slow_more_often(loss, Part(load=LOAD, phase="quiet"), slow_ms=72, fast=10, least_per_s=0)(context)
    assert found.seen == "0.2 slow moments per second (loss), 0.2 (quiet)"


def test_a_part_without_answers_has_no_slow_requests(context: Context) -> None:
    recorded(context, {"near": {"west": 5}})
    near = Part(load=LOAD, phase="near")
    found = slow_more_often(near, Part(load=LOAD, phase="near", by="east"), slow_ms=1, fast=10, least_per_s=0)(context)
    assert (found.holds, found.seen) == (False, "no answers (near, answers of East)")
