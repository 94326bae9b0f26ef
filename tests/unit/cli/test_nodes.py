"""Commands look at the nodes first: none waits for a node that cannot answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.clusters.provider import NodeStatus
from tests.unit.cli.conftest import Command

COMMANDS = [
    ("split", "podinfo=50", "podinfo-east=50"),
    ("export", "podinfo"),
    ("run",),
    ("walk", "--auto"),
    ("stage", "--no-browser"),
    ("check",),
    ("dev", "shared"),
    ("dev", "pod", "."),
    ("dev", "process", "--port", "1"),
    ("dev", "stop"),
    ("logs", "frontend"),
    ("dashboard",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("status", [NodeStatus.STOPPED, NodeStatus.PAUSED, NodeStatus.OFF_NETWORK])
def test_a_node_that_cannot_answer_is_named_at_once(
    lab: Command, up: Path, nodes: dict[str, NodeStatus], command: tuple[str, ...], status: NodeStatus
) -> None:
    nodes["east"] = status
    ended = lab(*command)
    assert ended.code == 3
    assert f"east: the node dev-east-control-plane is {status.value}\nnext:  lab up\n" in ended.err


@pytest.mark.parametrize("status", [NodeStatus.ABSENT, NodeStatus.OFF_NETWORK])
def test_reset_names_a_node_that_it_cannot_repair(
    lab: Command, up: Path, nodes: dict[str, NodeStatus], status: NodeStatus
) -> None:
    nodes["east"] = status
    ended = lab("reset")
    assert ended.code == 3
    assert ended.err == (
        f"error: node dev-east-control-plane is {status.value}; reset cannot repair that\nnext:  lab up\n"
    )


@pytest.mark.parametrize(
    "command",
    [
        ("cut", "west", "nope"),
        ("cut", "west", "west"),
        ("mend", "west"),
        ("mend", "nope", "west"),
        ("shell", "nope"),
        ("load", "podinfo", "--from", "nope"),
        ("split", "podinfo=50", "--in", "nope"),
    ],
    ids=" ".join,
)
def test_a_wrong_argument_is_named_although_the_lab_is_not_up(lab: Command, command: tuple[str, ...]) -> None:
    ended = lab(*command)
    assert ended.code == 2
    assert "lab up" not in ended.err
