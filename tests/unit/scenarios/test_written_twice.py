"""Requests that were sent again: what the logs of both clusters say about them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lab.base.names import Cluster
from lab.measure.counting import Request
from lab.measure.recording import Recording
from lab.scenario.context import Context
from lab.scenario.observation import Observation
from scenarios.disaster_recovery import writes

BOTH, ALL = "some_are_written_twice", "answered_requests_are_written"


@pytest.fixture
def logs(context: Context, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What the release has written in each cluster."""
    written: dict[str, list[str]] = {"east": [], "west": []}

    def log(cluster: Cluster) -> Sequence[str]:
        return ["500 /api/info", *(f"executed {number}" for number in written[cluster.name])]

    monkeypatch.setattr(writes, "log_of_next", log)
    answered = [Request(at_s=n, latency_ms=9, answered_by="east", number=f"west-{n}") for n in (1, 2, 3)]
    lost = Request(at_s=4, latency_ms=0, answered_by=None, error="no answer", number="west-4")
    recording = Recording(name="through West's ingress", rate_per_s=1, requests=(*answered, lost), marks=())
    assert writes.STEP.load is not None
    context.memo[writes.STEP.load.key] = [recording.as_json()]
    return written


def look(context: Context, check: str) -> Observation:
    return next(one for one in writes.STEP.checks if one.name == check).look(context)


def test_requests_in_both_logs_are_counted_and_named(context: Context, logs: dict[str, list[str]]) -> None:
    logs["east"] = ["west-1", "west-2", "west-2", "west-10", "east-1"]
    logs["west"] = ["west-10", "west-2", "west-3"]
    found = look(context, BOTH)
    assert found.holds
    assert found.seen == "2 in both clusters; for example west-2, west-10; at most 3 times"
    (evidence,) = found.evidence
    assert evidence.text.splitlines() == [
        "East executed 5, 4 different",
        "West executed 3, 3 different",
        "west-2: 2 in East, 1 in West",
        "west-10: 1 in East, 1 in West",
    ]


def test_a_request_that_one_cluster_executed_twice_is_not_in_both(context: Context, logs: dict[str, list[str]]) -> None:
    logs["east"] = ["west-1", "west-1"]
    found = look(context, BOTH)
    assert (found.holds, found.seen) == (False, "0 in both clusters")


def test_an_answered_request_that_no_log_has_is_noticed(context: Context, logs: dict[str, list[str]]) -> None:
    logs["east"] = ["west-1", "west-1", "west-2", "west-4"]  # as many as were answered, and one of them was lost
    found = look(context, ALL)
    assert not found.holds
    assert found.seen == "3 requests answered, 3 executed, 1 of them not; for example west-3"
    logs["west"] = ["west-3"]
    assert look(context, ALL).holds
