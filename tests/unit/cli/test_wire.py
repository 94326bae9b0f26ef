"""`lab cut` and `lab mend`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import ClusterError
from lab.clusters.kind.provider import KindProvider
from lab.clusters.provider import NodeStatus
from tests.unit.cli.conftest import Command
from tests.unit.wire_kit import CUT, MEND, FakeWire


@pytest.fixture
def wire(up: Path, monkeypatch: pytest.MonkeyPatch) -> FakeWire:
    made = FakeWire()
    monkeypatch.setattr(KindProvider, "wire", made)
    return made


def test_a_cut_prints_the_command_that_ran(lab: Command, wire: FakeWire) -> None:
    ended = lab("cut", "west", "east")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        f"$ {CUT}",
        "✓ west's node drops all packets to east",
        "  `lab mend west east` undoes it",
    ]
    assert wire.cuts == [("west", "east")]


def test_a_second_cut_changes_nothing(lab: Command, wire: FakeWire) -> None:
    lab("cut", "west", "east")
    ended = lab("cut", "west", "east")
    assert (ended.code, wire.cuts) == (0, [("west", "east")])
    assert "= nothing to cut: west's node drops all packets to east already" in ended.out


def test_mend_undoes_one_cut(lab: Command, wire: FakeWire) -> None:
    wire.cuts = [("west", "east"), ("east", "west")]
    assert lab("mend", "west", "east").out == f"$ {MEND}\n✓ west's packets reach east\n"
    assert wire.cuts == [("east", "west")]
    again = lab("mend", "west", "east")
    assert again.code == 0
    assert "= nothing to undo: west's packets to east were not dropped" in again.out


def test_mend_without_clusters_undoes_all_cuts(lab: Command, wire: FakeWire) -> None:
    wire.cuts = [("west", "east"), ("east", "west")]
    ended = lab("mend")
    assert (ended.code, wire.cuts) == (0, [])
    assert ended.out.count("✓") == 2
    assert lab("mend").out == "= nothing to undo: no network between clusters is cut\n"


def test_show_prints_the_command_and_runs_nothing(lab: Command, wire: FakeWire) -> None:
    assert lab("cut", "west", "east", "--show").out == f"{CUT}\n"
    assert wire.cuts == []
    wire.cuts = [("west", "east")]
    assert lab("mend", "--show").out == f"{MEND}\n"
    assert lab("mend", "west", "east", "--show").out == f"{MEND}\n"
    assert wire.cuts == [("west", "east")]


def test_json(lab: Command, wire: FakeWire) -> None:
    ends = {"source": "west", "target": "east"}
    assert lab("cut", "west", "east", "--json").json == {**ends, "command": CUT, "changed": True}
    assert lab("cut", "west", "east", "--json").json == {**ends, "command": CUT, "changed": False}
    assert lab("mend", "--json").json == [{**ends, "command": MEND, "changed": True}]
    assert lab("mend", "--json").json == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cut", "west", "north"), "unknown cluster 'north'"),
        (("cut", "west", "west"), "both clusters are west"),
        (("mend", "west"), "name both clusters, or none"),
        (("mend", "west", "west"), "both clusters are west"),
    ],
)
def test_wrong_clusters_change_nothing(lab: Command, wire: FakeWire, words: tuple[str, ...], said: str) -> None:
    wire.cuts = [("east", "west")]
    ended = lab(*words)
    assert ended.code == 2
    assert said in ended.err
    assert "next:" in ended.err
    assert wire.cuts == [("east", "west")]


@pytest.mark.parametrize("words", [("cut", "west", "east"), ("mend",), ("cut", "west", "east", "--show")])
def test_a_provider_without_a_wire_gives_its_reason(
    lab: Command, up: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    def lacking(_: KindProvider) -> Any:
        raise ClusterError("the clusters' network belongs to somebody else", next="a lab of kind clusters")

    monkeypatch.setattr(KindProvider, "wire", property(lacking))
    ended = lab(*words)
    assert ended.code == 3
    assert "the clusters' network belongs to somebody else" in ended.err


def test_a_cut_to_an_address_that_nobody_has_any_more_is_undone(lab: Command, wire: FakeWire) -> None:
    wire.cuts = [("west", "172.30.0.7")]
    ended = lab("mend")
    assert "--delete POSTROUTING --destination 172.30.0.7 " in ended.out
    assert ended.out.endswith("✓ west's packets reach 172.30.0.7\n")
    assert wire.cuts == []


def test_a_stopped_node_is_named_at_once(lab: Command, wire: FakeWire, nodes: dict[str, NodeStatus]) -> None:
    nodes["east"] = NodeStatus.STOPPED
    ended = lab("cut", "west", "east")
    assert (ended.code, wire.cuts) == (3, [])
    assert "the node dev-east-control-plane is stopped" in ended.err


def test_without_a_lab_the_next_command_is_named(lab: Command) -> None:
    ended = lab("cut", "west", "east")
    assert (ended.code, "next:  lab up" in ended.err) == (3, True)


def test_a_partition_cuts_both_directions_and_mend_undoes_it(lab: Command, wire: FakeWire) -> None:
    shown = lab("partition", "west", "--show").out
    assert wire.cuts == []
    ended = lab("partition", "west")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        *(f"$ {command}" for command in shown.splitlines()),
        "✓ no packet passes between west on one side and east on the other",
        "  `lab mend` undoes it",
    ]
    assert sorted(wire.cuts) == [("east", "west"), ("west", "east")]
    assert "= nothing to cut: no packet passes" in lab("partition", "west").out
    assert lab("mend").out.count("✓") == 2
    assert wire.cuts == []


def test_a_partition_separates_all_named_clusters_from_all_others(lab: Command, wire: FakeWire, folder: Path) -> None:
    with (folder / "lab.toml").open("a") as toml:
        toml.write("[clusters.north]\n")
    made = lab("partition", "west", "north", "--json").json
    assert (made["sides"], made["changed"]) == ([["west", "north"], ["east"]], True)
    assert {("west", "north"), ("north", "west")}.isdisjoint(wire.cuts)
    assert len(wire.cuts) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("partition", "west", "north"), "unknown cluster 'north'"),
        (("partition", "west", "west"), "west is named twice"),
        (("partition", "west", "east"), "all clusters are on one side"),
    ],
)
def test_a_partition_that_is_none_changes_nothing(
    lab: Command, wire: FakeWire, words: tuple[str, ...], said: str
) -> None:
    ended = lab(*words)
    assert (ended.code, wire.cuts) == (2, [])
    assert said in ended.err
    assert "next:" in ended.err
