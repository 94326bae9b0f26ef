"""`lab cluster add` and `lab cluster remove`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.base.names import Cluster
from lab.base.step import CHANGED, UNCHANGED, Step, StepResult
from lab.cli import machine
from lab.clusters.kind.power import KindPower
from lab.clusters.provider import NodeStatus
from lab.lab import Lab
from lab.lifecycle import joining
from tests.unit.cli.conftest import Command


@pytest.fixture
def results() -> list[StepResult]:
    return [CHANGED]


@pytest.fixture(autouse=True)
def no_clusters(
    monkeypatch: pytest.MonkeyPatch, nodes: dict[str, NodeStatus], results: list[StepResult], up: Path
) -> None:
    """The plan has one step, and leaving two lines."""
    preferred: list[list[str]] = []
    niceness: list[int] = []

    def steps(lab: Lab, name: str) -> list[Step]:
        assert lab.spec.joined == (name,)

        def run() -> StepResult:
            assert (up / "joined.json").exists(), "it is recorded before anything is created"
            assert preferred[-1] == ["east", "west"], "those that serve have the processors first"
            assert niceness[-1] > 0, "they also come before the lab's own programs"
            niceness.clear()
            return results.pop()

        return [Step(name=f"{name}/cluster", title="create the cluster", run=run, cluster=name)]

    @contextmanager
    def prefer(_: KindPower, clusters: list[Cluster]) -> Iterator[None]:
        preferred.append([cluster.name for cluster in clusters])
        yield
        preferred.append([])

    def leave(lab: Lab, name: str) -> Iterator[str]:
        assert preferred[-1] == ["east", "west"]
        assert niceness[-1] > 0
        niceness.clear()
        yield f"links to {name} removed"
        yield f"{name}: cluster deleted"
        joining.record(lab.without(name))

    monkeypatch.setattr(KindPower, "prefer", prefer)
    monkeypatch.setattr(joining.os, "nice", niceness.append)
    monkeypatch.setattr(joining, "steps", steps)
    monkeypatch.setattr(joining, "leave", leave)
    monkeypatch.setattr(joining, "wait_linked", lambda *_: None)
    monkeypatch.setattr(joining.HostProbes, "port_is_free", lambda *_: True)
    monkeypatch.setattr(machine, "make_ready", lambda lab, **_: lab)
    nodes["north"] = NodeStatus.ABSENT


def record(up: Path) -> Any:
    return json.loads((up / "joined.json").read_text())


def test_a_cluster_joins_and_leaves(lab: Command, up: Path) -> None:
    joined = lab("cluster", "add", "north", "--region", "moon")
    assert (joined.code, "✓ north joined after" in joined.out) == (0, True)
    assert "http://localhost:8082" in joined.out
    assert "`lab cluster remove north` undoes it" in joined.out
    assert record(up)["north"]["region"] == "moon"
    left = lab("cluster", "remove", "north")
    assert (left.code, left.out) == (0, "✓ links to north removed\n✓ north: cluster deleted\n")
    assert not (up / "joined.json").exists()


def test_a_second_time_nothing_changes(lab: Command, results: list[StepResult]) -> None:
    lab("cluster", "add", "north")
    results.append(UNCHANGED)
    assert "= north has joined already" in lab("cluster", "add", "north").out
    lab("cluster", "remove", "north")
    again = lab("cluster", "remove", "north")
    assert (again.code, again.out) == (0, "= nothing to remove: no cluster north has joined\n")
    assert lab("cluster", "remove", "north", "--json").json == {"cluster": "north", "changes": []}


def test_the_results_as_json(lab: Command) -> None:
    joined = lab("cluster", "add", "north", "--json").json
    assert joined.pop("duration_s") >= 0
    assert joined == {"cluster": "north", "url": "http://localhost:8082", "region": "north", "changed": True}
    left = lab("cluster", "remove", "north", "--json").json
    assert left == {"cluster": "north", "changes": ["links to north removed", "north: cluster deleted"]}


def test_a_plan_changes_nothing(lab: Command, up: Path) -> None:
    planned = lab("cluster", "add", "north", "--plan")
    assert "north/cluster" in planned.out
    assert "nothing was changed" in planned.out
    assert not (up / "joined.json").exists()


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (("add", "west"), "west is a cluster of", "lab up"),
        (("remove", "west"), "only clusters that joined by `lab cluster add` can leave", "lab split"),
        (("add", "No"), "is not a DNS label", "lab cluster add --help"),
        (("add", "north", "--ingress-port", "8080"), "the lab uses 8080 already", "name another port, or none"),
    ],
)
def test_what_is_not_possible_is_refused_with_the_next_step(
    lab: Command, up: Path, words: tuple[str, ...], what: str, hint: str
) -> None:
    refused = lab("cluster", *words)
    assert refused.code == 2
    assert what in refused.err
    assert hint in refused.err.partition("next:")[2]
    assert not (up / "joined.json").exists()


def test_a_lab_that_is_not_up_is_refused_before_the_record(lab: Command, up: Path) -> None:
    (up / "kubeconfig").unlink()
    refused = lab("cluster", "add", "north")
    assert refused.code == 3
    assert "next:  lab up" in refused.err
    assert not (up / "joined.json").exists()


def test_a_killed_command_continues(lab: Command, up: Path, nodes: dict[str, NodeStatus]) -> None:
    lab("cluster", "add", "north")
    nodes["north"] = NodeStatus.UNFINISHED
    assert lab("cluster", "remove", "north").code == 0


def test_other_commands_know_the_cluster(lab: Command) -> None:
    lab("cluster", "add", "north")
    assert "one of: east, west, north" in lab("split", "podinfo=1", "--in", "south").err
