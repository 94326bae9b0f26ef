from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.clusters.provider import NodeStatus
from lab.mesh.model import Failover, Split
from tests.unit.cli.conftest import Command

pytestmark = pytest.mark.usefixtures("up")


def test_export_and_unexport_name_the_cluster(lab: Command, mesh: Any) -> None:
    fake = mesh(export=[("web-east", "west")], unexport=True)
    assert lab("export", "web").out == "✓ web-east in west\n"
    assert lab("unexport", "web", "--from", "east").out == "✓ deleted web-east\n"
    assert fake.called == [("export", "web", "east"), ("unexport", "web", "east")]


def test_a_split_reaches_the_mesh_as_weights(lab: Command, mesh: Any) -> None:
    made = Split(cluster="west", service="web", weights={"web": 90, "web-east": 10})
    fake = mesh(split=made, unsplit=True)
    assert lab("split", "web=90", "web-east=10").out == "✓ west: web → web 90, web-east 10\n"
    assert lab("unsplit", "web").out == "✓ removed the split of web\n"
    assert fake.called == [("split", "west", "web", {"web": 90, "web-east": 10}), ("unsplit", "west", "web")]


def test_weights_of_which_none_is_above_0_are_refused_before_the_lab_is_looked_at(
    lab: Command, nodes: dict[str, NodeStatus]
) -> None:
    nodes.update(dict.fromkeys(nodes, NodeStatus.ABSENT))
    ended = lab("split", "web=0", "web-east=0")
    assert (ended.code, "the weights add up to 0" in ended.err) == (2, True)


def test_an_undo_without_anything_to_undo_says_so(lab: Command, mesh: Any) -> None:
    mesh(unsplit=False, unfail_over=False)
    assert lab("unsplit", "web").out == "= nothing to remove: web is not split\n"
    assert lab("unfailover", "web").out == "= nothing to remove: web has no failover\n"


def test_a_failover_has_a_primary_and_a_backup(lab: Command, mesh: Any) -> None:
    fake = mesh(fail_over=None)
    assert lab("failover", "web").out == "✓ west's requests to web go to west, and to east when west fails\n"
    assert fake.called == [("fail_over", Failover(cluster="west", service="web", primary="west", backup="east"))]


def test_backups_are_an_order(lab: Command, mesh: Any, up: Path) -> None:
    (up.parents[1] / "lab.toml").write_text('name = "dev"\nstack = "istio"\n[clusters.north]\n[clusters.south]\n')
    fake = mesh(fail_over=None)
    ended = lab("failover", "web", "--backup", "north", "--backup", "east", "--backup", "south")
    words = "✓ west's requests to web go to west, and to north when west fails, then to east, then to south\n"
    assert ended.out == words
    wanted = Failover(cluster="west", service="web", primary="west", backup="north", further=("east", "south"))
    assert fake.called == [("fail_over", wanted)]
    twice = lab("failover", "web", "--backup", "north", "--backup", "north")
    assert (twice.code, "north is named twice" in twice.err) == (2, True)


@pytest.mark.parametrize("words", [("federate", "web"), ("unfederate", "web")])
def test_a_mesh_that_cannot_federate_is_named(lab: Command, mesh: Any, words: tuple[str, ...]) -> None:
    mesh()
    ended = lab(*words)
    assert ended.code != 0
    assert "next:" in ended.err


@pytest.mark.parametrize(
    "words",
    [
        ("export", "web", "--from", "north"),
        ("unexport", "web", "--from", "north"),
        ("split", "web=1", "--in", "north"),
        ("unsplit", "web", "--in", "north"),
        ("failover", "web", "--primary", "north"),
        ("unfailover", "web", "--in", "north"),
    ],
)
def test_an_unknown_cluster_changes_nothing(lab: Command, mesh: Any, words: tuple[str, ...]) -> None:
    fake = mesh(export=[], unexport=True, split=None, unsplit=True, fail_over=None, unfail_over=True)
    ended = lab(*words)
    assert ended.code == 2
    assert "unknown cluster 'north'" in ended.err
    assert fake.called == []


@pytest.mark.parametrize(
    "words", [("export", ""), ("failover", "Up"), ("unsplit", "a b"), ("split", "", "podinfo=1"), ("split", "é=50")]
)
def test_what_is_not_a_services_name_is_a_usage_error(lab: Command, words: tuple[str, ...]) -> None:
    ended = lab(*words)
    assert ended.code == 2
    assert "is not a Service's name" in ended.err


def test_a_failover_needs_two_clusters(lab: Command) -> None:
    ended = lab("failover", "podinfo", "--primary", "west", "--backup", "west")
    assert (ended.code, "primary and backup are both west" in ended.err) == (2, True)
