"""What one phase of a load costs more than another one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lab.measure.counting import LoadMark, Request
from lab.measure.recording import Recording
from lab.scenario.context import Context
from lab.scenario.loads import StepLoad
from scenarios.latency import Part, costs

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
