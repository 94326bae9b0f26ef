"""Looks of the steps with two gateways and with a failing primary."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.base.names import NAMESPACE, SCENARIO_LABEL
from lab.lab import Lab
from lab.measure.counting import LoadMark, Request
from lab.measure.recording import Recording
from lab.mesh.capabilities import Capability
from lab.scenario.context import Context
from lab.scenario.loads import StepLoad
from scenarios.disaster_recovery import failing, gateways
from scenarios.recorded import loses_little
from tests.unit.fake_api import FakeApi, kube, put

LOAD = StepLoad(name="two gateways", service="podinfo")


def recorded(lost: set[int], *, sent: int = 500, rate_per_s: float = 50, error: str = "reset") -> dict[str, Any]:
    requests = tuple(
        Request(at_s=n / rate_per_s, latency_ms=5, answered_by=None if n in lost else "east",
                error=error if n in lost else "")
        for n in range(sent)
    )  # fmt: skip
    marks = (LoadMark(at_s=2.0, text="one gateway dies"),)
    whole = Recording(name="through West's ingress", rate_per_s=rate_per_s, requests=requests, marks=marks)
    return dict(whole.as_json())


@pytest.mark.parametrize(
    ("lost", "holds", "words"),
    [
        (set(), True, "0 of 500 lost"),
        (set(range(110, 115)), True, "5 of 500 lost, longest gap 0.1 s"),
        (set(range(110, 116)), False, "6 of 500 lost, longest gap 0.1 s"),  # more than 1 %
        ({110, 165}, False, "2 of 500 lost, longest gap 1.1 s"),
        ({110, 300}, True, "2 of 500 lost, longest gap 0.0 s"),  # two gaps
        ({498, 499}, False, "2 of 500 lost, did not recover"),
    ],
)
def test_little_is_lost_if_one_in_a_hundred_is_and_no_gap_is_long(
    context: Context, *, lost: set[int], holds: bool, words: str
) -> None:
    context.memo[LOAD.key] = [recorded(lost)]
    seen = loses_little(LOAD)(context)
    assert (seen.holds, seen.seen) == (holds, f"through West's ingress: {words}")


def test_no_request_at_all_proves_nothing(context: Context) -> None:
    context.memo[LOAD.key] = [recorded(set(), sent=0)]
    assert not loses_little(LOAD)(context).holds


NOT_SENT = "status: HTTP 500: unexpected error"


@pytest.mark.parametrize(
    ("resends", "lost", "error", "holds"),
    [
        (True, set(), "", True),
        (True, {110}, NOT_SENT, False),
        (False, set(), "", True),
        (False, {110, 111}, NOT_SENT, True),
        (False, set(range(110, 116)), NOT_SENT, False),  # more than 1 %
        (False, {110}, "status: HTTP 504: service in fail-fast", False),
    ],
)
def test_a_drain_loses_only_what_the_mesh_cannot_resend(
    context: Context, *, resends: bool, lost: set[int], error: str, holds: bool
) -> None:
    mesh = SimpleNamespace(capabilities=frozenset({Capability.RESEND} if resends else ()))
    context = replace(context, mesh=cast("Any", mesh), memo={"load/drain": [recorded(lost, error=error)]})
    (check,) = next(step.checks for step in gateways.STEPS if step.name == "gateway_is_drained")
    seen = check.look(context)
    assert seen.holds is holds
    assert not lost or seen.seen.endswith(f"; the first: {error}")


@pytest.mark.parametrize(("before", "after", "holds"), [(5, 5, True), (5, 25, True), (5, 26, False), (0, 0, False)])
def test_a_failing_primary_is_left_alone(context: Context, *, before: int, after: int, holds: bool) -> None:
    context.memo |= {failing.BEFORE: before, failing.AFTER: after}
    seen = failing.is_left_alone(context)
    assert seen.holds is holds
    assert seen.seen == f"{before} requests reached it before the backup answered, {after - before} in the 20 s after"


def test_the_answers_with_500_are_counted_in_the_log(
    context: Context, lab: Lab, apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    west = kube(apis["west"], "west")
    metadata = {"name": "podinfo-next-1", "namespace": NAMESPACE, "labels": {SCENARIO_LABEL: "disaster_recovery"}}
    put(west, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    monkeypatch.setattr("lab.kube.Kube.logs", lambda *_, **__: "500 /api/info\nstarted\n500 /api/info\n")
    assert failing.answers(context) == 2
