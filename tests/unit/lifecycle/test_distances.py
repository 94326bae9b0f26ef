"""Distances of lab.toml and of the nodes: what is set, what is missing, and partitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import config
from lab.base.distance import Distance
from lab.base.errors import ClusterError
from lab.base.names import Cluster
from lab.base.paths import Paths
from lab.base.step import CHANGED, UNCHANGED
from lab.base.wait import TransientError
from lab.clusters.provider import Means, OneWay
from lab.lab import Lab
from lab.lifecycle import distances, partition, plan
from tests.unit.plan_kit import before
from tests.unit.wire_kit import FakeWire

TOML = """
[clusters.north]
[[links]]
between = ["west", "east"]
delay = "80ms"
"""
FAR = Distance(delay_ms=80)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> FakeWire:
    made = FakeWire()
    monkeypatch.setattr(distances, "provider", lambda: SimpleNamespace(wire=made))
    return made


@pytest.fixture
def three(tmp_path: Path) -> Lab:
    paths = Paths(cache=tmp_path / "cache", state=tmp_path / "state")
    return Lab(spec=config.parse(f'name = "dev"\n{TOML}'), paths=paths, artifacts=None)  # type: ignore[arg-type]


def problems(lab: Lab, wire: FakeWire, running: Sequence[str] = ("east", "west", "north")) -> list[str]:
    return list(distances.problems(lab, wire.state(lab, running).distances, running))


def test_up_sets_the_distances_of_lab_toml_once(three: Lab, wire: FakeWire) -> None:
    assert distances.ensure(three) == CHANGED
    assert sorted(wire.there) == [("east", "west"), ("west", "east")]
    wire.did.clear()
    assert distances.ensure(three) == UNCHANGED
    assert wire.did == []


@pytest.mark.parametrize(
    "changed", [{"works": False}, {"distance": Distance(delay_ms=200)}, None], ids=["ended", "another", "restarted"]
)
def test_up_restores_a_distance_that_is_not_as_in_lab_toml(
    three: Lab, wire: FakeWire, changed: dict[str, Any] | None
) -> None:
    distances.ensure(three)
    side = wire.there.pop(("west", "east"))
    if changed is not None:
        wire.there["west", "east"] = replace(side, **changed)
    assert distances.ensure(three) == CHANGED
    assert wire.there["west", "east"] == side


def test_after_an_error_in_one_direction_neither_has_a_distance(
    three: Lab, wire: FakeWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    distances.put(three, ("east", "west"), FAR)
    put = wire.set_distance

    def refuses(lab: Lab, source: Cluster, target: Cluster, distance: Distance, means: Means) -> list[str]:
        if source.name == "east":
            raise ClusterError("no device", where="east", next="load tun")
        return put(lab, source, target, distance, means)

    monkeypatch.setattr(wire, "set_distance", refuses)
    with pytest.raises(ClusterError, match="no device"):
        distances.put(three, ("east", "west"), Distance(delay_ms=200))
    assert wire.there == {}


def test_a_line_without_a_distance_is_named_and_reset_removes_it(three: Lab, wire: FakeWire) -> None:
    ends = ("east", "north")
    wire.there[ends] = OneWay(source="east", target="north", distance=Distance(), means=Means.LINE, works=False)
    sides = distances.by_pair(three, list(wire.there.values()))[ends]
    words = "packets from east to north have no distance; packets from north to east have no distance; "
    assert distances.broken(ends, sides) == f"{words}a delay line without a distance is left"
    assert "east and north: distance cleared" in list(distances.reset(three))
    assert ends not in wire.there


def test_directions_that_differ_are_both_named(three: Lab, wire: FakeWire) -> None:
    distances.put(three, ("east", "north"), FAR)
    wire.there["north", "east"] = replace(wire.there["north", "east"], distance=Distance(delay_ms=200))
    assert distances.text(list(wire.there.values())) == "80 ms from east to north and 200 ms from north to east"


def test_up_leaves_a_distance_that_lab_toml_does_not_have(three: Lab, wire: FakeWire) -> None:
    distances.put(three, ("east", "north"), Distance(loss_percent=1))
    distances.ensure(three)
    assert ("east", "north") in wire.there


def test_reset_returns_to_lab_toml(three: Lab, wire: FakeWire) -> None:
    distances.put(three, ("east", "north"), Distance(loss_percent=1))
    distances.put(three, ("east", "west"), Distance(delay_ms=200))
    assert list(distances.reset(three)) == [
        "east and north: distance cleared",
        "east and west: distance of lab.toml set: 80 ms",
    ]
    assert {one.distance for one in wire.there.values()} == {FAR}
    assert list(distances.reset(three)) == []


def test_a_distance_as_in_lab_toml_is_no_problem(three: Lab, wire: FakeWire) -> None:
    distances.ensure(three)
    assert problems(three, wire) == []


def test_a_missing_distance_is_a_problem_and_names_what_packets_do(three: Lab, wire: FakeWire) -> None:
    assert problems(three, wire) == [
        "east and west: the distance of lab.toml (80 ms) is not set; packets pass without it"
    ]
    assert problems(three, wire, running=("east", "north")) == [], "a node that does not run is the problem"


def test_a_line_that_ended_is_a_problem_that_names_the_direction(three: Lab, wire: FakeWire) -> None:
    distances.ensure(three)
    wire.there["west", "east"] = replace(wire.there["west", "east"], works=False)
    (words,) = problems(three, wire)
    assert words == (
        "east and west: the distance of lab.toml (80 ms) is incomplete: the delay line from west to east has stopped"
    )
    wire.there.pop(("west", "east"))
    assert problems(three, wire)[0].endswith("packets from west to east have no distance")


def test_the_plan_sets_distances_before_it_waits_for_answers_and_only_if_there_are_any(
    three: Lab, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan.artifacts, "steps", lambda store, wanted: [])
    three = replace(three, spec=three.spec.model_copy(update={"stack": "istio"}))
    steps = plan.up(three)
    assert "distances" in before(steps, "west/answers")
    assert {"east/cluster", "west/cluster", "north/cluster"} <= before(steps, "distances")
    lab = replace(lab, spec=lab.spec.model_copy(update={"stack": "istio"}))
    assert "distances" not in {step.name for step in plan.up(lab)}


def test_a_request_is_measured_where_the_target_exports_a_service(
    three: Lab, wire: FakeWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wire
    asked: list[Any] = []

    def get(url: str, *, params: Any, timeout_s: float) -> Any:
        del timeout_s
        asked.append((url, params["upstream"]))
        return {"totals": {"failed": 1, "latency_ms": {"p50": 86.2}}}

    monkeypatch.setattr(distances.http, "get_json", get)
    found = distances.measure(three, "west", "east")
    assert (found.ping_ms, found.ping, found.request_ms) == (0.2, "5 TCP connections from west to east", 86.2)
    assert found.request == (
        "9 requests, one after the other, from west's frontend to podinfo-east, through the mesh; 1 of them failed"
    )
    assert asked == [("http://127.0.0.1:8080/api/answers", "podinfo-east")]
    back = distances.measure(three, "east", "west")
    assert (back.request_ms, back.request) == (None, "east's frontend calls no service of west")


def test_a_request_without_an_answer_says_why(three: Lab, wire: FakeWire, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wire

    def get(url: str, **_: Any) -> Any:
        raise TransientError("no answer (ConnectTimeout)")

    monkeypatch.setattr(distances.http, "get_json", get)
    found = distances.measure(three, "west", "east")
    assert found.request_ms is None
    assert found.request.endswith("through the mesh: no answer (ConnectTimeout)")


NAMES = ("east", "west", "north", "south")


@pytest.mark.parametrize(
    ("side", "groups"),
    [
        (("west",), [["east", "north", "south"], ["west"]]),
        (("west", "south"), [["east", "north"], ["west", "south"]]),
        (("east", "north", "south"), [["east", "north", "south"], ["west"]]),
    ],
)
def test_a_partition_is_recognised_by_its_cuts(side: tuple[str, ...], groups: list[list[str]]) -> None:
    cuts = partition.cuts_of(NAMES, side)
    assert len(cuts) == 2 * len(side) * (4 - len(side))
    assert partition.sides(NAMES, cuts) == groups
    assert partition.sides(NAMES, cuts[1:]) == [], "one direction passes"


def test_single_cuts_and_no_cuts_are_no_partition() -> None:
    assert partition.sides(NAMES, []) == []
    assert partition.sides(NAMES, [("west", "east")]) == []
    assert partition.sides(NAMES, [("west", "east"), ("east", "west")]) == [], "both reach north and south"
    assert partition.sides(("east", "west"), [("west", "east"), ("east", "west")]) == [["east"], ["west"]]
