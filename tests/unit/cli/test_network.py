"""`lab network`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.base.distance import Distance
from lab.base.errors import ClusterError
from lab.clusters.kind.provider import KindProvider
from lab.clusters.provider import Means, NodeStatus
from tests.unit.cli.conftest import Command
from tests.unit.wire_kit import FakeWire

FAR = Distance(delay_ms=80, jitter_ms=10, loss_percent=1, rate_kbit=20_000)
SET = ("network", "west", "east", "--delay", "80ms", "--jitter", "10ms", "--loss", "1%", "--rate", "20mbit")


@pytest.fixture
def wire(up: Path, monkeypatch: pytest.MonkeyPatch) -> FakeWire:
    made = FakeWire()
    monkeypatch.setattr(KindProvider, "wire", made)
    answer = {"totals": {"failed": 0, "latency_ms": {"p50": 6.1}}}
    monkeypatch.setattr("lab.lifecycle.distances.http.get_json", lambda url, **_: answer)
    return made


def test_a_distance_is_set_in_both_directions_and_measured_before_and_after(lab: Command, wire: FakeWire) -> None:
    ended = lab(*SET)
    assert ended.code == 0
    assert {ends: one.distance for ends, one in wire.there.items()} == {("west", "east"): FAR, ("east", "west"): FAR}
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert lines[:3] == [
        "$ docker west east 80 delay line",
        "$ docker east west 80 delay line",
        "✓ west and east are 80 ms ± 10 ms, 1 % loss, 20 Mbit/s apart",
    ]
    assert {"west → east before after", "ping 0.2 ms 80.2 ms", "request 6.1 ms 6.1 ms"} <= set(lines)
    assert "ping: the median of 5 TCP connections from west to east" in lines
    assert lines[-2].startswith("by a delay line in each direction")
    assert lines[-1] == "`lab network west east --clear` undoes it"


def test_the_output_says_that_netem_is_used(lab: Command, wire: FakeWire) -> None:
    wire.kernel = Means.NETEM
    assert "by netem, in the engine's kernel" in lab(*SET).out


def test_the_same_distance_again_changes_nothing(lab: Command, wire: FakeWire) -> None:
    lab(*SET)
    before = dict(wire.there)
    ended = lab("network", "east", "west", *SET[3:])
    assert ended.code == 0
    assert "= nothing to change: east and west are" in ended.out
    assert "$" not in ended.out
    assert wire.there == before


def test_a_distance_that_has_ended_on_one_side_is_set_again(lab: Command, wire: FakeWire) -> None:
    lab(*SET)
    wire.there["west", "east"] = replace(wire.there["west", "east"], works=False)
    assert "✓ west and east are" in lab(*SET).out
    assert wire.there["west", "east"].works


def test_clear_undoes_one_or_all(lab: Command, wire: FakeWire) -> None:
    lab(*SET)
    ended = lab("network", "west", "east", "--clear")
    assert ended.out.splitlines()[:3] == [
        "$ docker rm west east",
        "$ docker rm east west",
        "✓ west and east have no distance",
    ]
    assert wire.there == {}
    assert lab("network", "west", "east", "--clear").out.splitlines() == [
        "$ docker rm west east",
        "$ docker rm east west",
        "= nothing to change: west and east had no distance",
    ], "what ran is shown: it also removes what an interrupted command has left"
    lab(*SET)
    assert "✓ east and west have no distance" in lab("network", "--clear").out
    assert lab("network", "--clear").out == "= nothing to undo: no cluster has a distance to another one\n"


def test_without_options_it_shows_all_pairs_with_what_is_set_and_measured(lab: Command, wire: FakeWire) -> None:
    row = ["west", "east", "none", "-", "0.2", "ms", "6.1", "ms"]
    assert row in [line.split() for line in lab("network").out.splitlines()]
    lab(*SET)
    shown = lab("network").out
    assert "80 ms ± 10 ms, 1 % loss, 20 Mbit/s" in shown
    assert "delay line" in shown
    wire.there["west", "east"] = replace(wire.there["west", "east"], works=False)
    shown = lab("network", "west", "east").out
    assert "✗ west and east: the delay line from west to east has stopped" in shown


def test_show_prints_the_commands_and_runs_nothing(lab: Command, wire: FakeWire) -> None:
    shown = lab(*SET, "--show")
    assert shown.out.splitlines() == ["docker west east 80 delay line", "docker east west 80 delay line"]
    assert wire.there == {}
    lab(*SET)
    assert lab("network", "--clear", "--show").out.splitlines() == ["docker rm east west", "docker rm west east"]
    assert len(wire.there) == 2


def test_show_prints_the_commands_of_both_directions_if_one_is_set(lab: Command, wire: FakeWire) -> None:
    lab(*SET)
    del wire.there["west", "east"]
    both = ["docker rm west east", "docker rm east west"]
    assert lab("network", "west", "east", "--clear", "--show").out.splitlines() == both
    assert sorted(lab("network", "--clear", "--show").out.splitlines()) == sorted(both)
    assert list(wire.there) == [("east", "west")]


def test_json(lab: Command, wire: FakeWire) -> None:
    made = lab(*SET, "--json").json
    assert (made["source"], made["target"], made["means"], made["changed"]) == ("west", "east", "delay line", True)
    assert made["distance"] == {"delay_ms": 80, "jitter_ms": 10, "loss_percent": 1, "rate_kbit": 20000}
    assert (made["before"]["ping_ms"], made["after"]["ping_ms"], made["after"]["request_ms"]) == (0.2, 80.2, 6.1)
    assert lab(*SET, "--json").json["changed"] is False
    (row,) = lab("network", "--json").json
    assert [(one["source"], one["works"]) for one in row["directions"]] == [("west", True), ("east", True)]
    (gone,) = lab("network", "--clear", "--json").json
    assert (gone["changed"], gone["distance"]) == (True, None)
    assert lab("network", "--clear", "--json").json == []
    assert wire.there == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("network", "west", "north", "--delay", "80ms"), "unknown cluster 'north'"),
        (("network", "west", "west", "--delay", "80ms"), "both clusters are west"),
        (("network", "west"), "name two clusters"),
        (("network", "--delay", "80ms"), "name two clusters"),
        (("network", "west", "--clear"), "name two clusters"),
        (("network", "west", "east", "--delay", "80ms", "--clear"), "--clear undoes a distance"),
        (("network", "west", "east", "--delay", "80"), "--delay: '80' is not a time with a unit"),
        (("network", "west", "east", "--delay", "-5ms"), "--delay: '-5ms' is not a time with a unit"),
        (("network", "west", "east", "--delay", "90s"), "--delay: 90s is out of range: more than 0ms, at most 1s"),
        (("network", "west", "east", "--jitter", "5ms"), "--jitter: varies a delay, and there is none"),
        (("network", "west", "east", "--delay", "5ms", "--jitter", "6ms"), "--jitter: 6ms is longer than the delay"),
        (("network", "west", "east", "--loss", "1"), "--loss: '1' is not a percentage"),
        (("network", "west", "east", "--loss", "100%"), "--loss: 100% is out of range"),
        (("network", "west", "east", "--rate", "20"), "--rate: '20' is not a rate with a unit"),
        (("network", "west", "east", "--rate", "99gbit"), "--rate: 99gbit is out of range"),
        (("network", "--show"), "nothing to show"),
    ],
)
def test_bad_input_changes_nothing_and_names_the_next_command(
    lab: Command, wire: FakeWire, words: tuple[str, ...], said: str
) -> None:
    ended = lab(*words)
    assert ended.code == 2
    assert said in ended.err
    assert "next:" in ended.err
    assert wire.there == {}


def test_a_stopped_node_is_named_at_once(lab: Command, wire: FakeWire, nodes: dict[str, NodeStatus]) -> None:
    nodes["east"] = NodeStatus.STOPPED
    ended = lab(*SET)
    assert (ended.code, wire.there) == (3, {})
    assert "the node dev-east-control-plane is stopped" in ended.err


def test_a_provider_without_a_wire_gives_its_reason(lab: Command, up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(_: KindProvider) -> Any:
        raise ClusterError("the clusters' network belongs to somebody else", next="a lab of kind clusters")

    monkeypatch.setattr(KindProvider, "wire", property(lacking))
    ended = lab("network")
    assert ended.code == 3
    assert "the clusters' network belongs to somebody else" in ended.err


def test_without_a_lab_the_next_command_is_named(lab: Command) -> None:
    ended = lab("network")
    assert (ended.code, "next:  lab up" in ended.err) == (3, True)
