"""East and West are roles: with other clusters in these roles, no text and no act of a scenario names east or west."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from lab import config
from lab.base.paths import PROJECT
from lab.scenario import commands
from lab.scenario.model import Scenario, ScenarioStep, Topology
from lab.scenario.registry import registry

SPEC = config.parse(
    """
    name = "demo"
    [roles]
    east = "gke"
    west = "laptop"
    [clusters.gke]
    ingress_port = 9001
    [clusters.laptop]
    ingress_port = 9002
    """
)
SCENARIOS = tuple(registry(SPEC).scenarios.values())
STEPS = [pytest.param(step, id=f"{whole.name}/{step.name}") for whole in SCENARIOS for step in whole.steps]
CLUSTER = re.compile(r"\b(east|west)\b(?!-west)(?<!east-west)")
ADDRESS = re.compile(
    r"-east\b|-west-|eastwest-|(context=|--in |--from |--primary |--backup )(east|west)\b|localhost:808[01]"
)
PLACEHOLDER = re.compile(r"\{\w+\}")


def texts(value: Any) -> Iterator[str]:
    """Yield every text of a scenario; the clusters of a topology are roles."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from texts(item)
    elif is_dataclass(value) and not isinstance(value, type | Topology):
        for each in fields(value):
            yield from texts(getattr(value, each.name))


@pytest.mark.parametrize("step", STEPS)
def test_a_steps_commands_name_the_clusters_of_the_lab(step: ScenarioStep) -> None:
    for command in (step.command, step.undo_command):
        assert CLUSTER.search(command) is None, command
        assert PLACEHOLDER.search(command) is None, command
        commands.parse(command)


@pytest.mark.parametrize("whole", SCENARIOS, ids=lambda whole: whole.name)
def test_no_text_has_the_names_or_addresses_of_the_default_lab(whole: Scenario) -> None:
    for text in texts(whole):
        assert ADDRESS.search(text) is None, text
        assert PLACEHOLDER.search(text) is None, text
    for node in whole.topology.nodes:
        assert not any(PLACEHOLDER.search(name) or ADDRESS.search(name) for name in node.services)


@pytest.mark.parametrize("file", sorted(PROJECT.glob("scenarios/*.py")), ids=lambda file: file.stem)
def test_acts_and_checks_take_clusters_from_the_context(file: Any) -> None:
    """The literals "east" and "west" are roles: of a topology's node, a probe, or the cluster that must answer."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    roles = {
        id(keyword.value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if (ast.unparse(call.func), keyword.arg)
        in {("TopologyNode", "cluster"), ("Probe", "role"), ("answered", "by"), ("takes_over", "by")}
    }
    literals = [
        f"line {node.lineno}: {node.value!r}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in {"east", "west"} and id(node) not in roles
    ]
    assert literals == []


def test_placeholders_become_names_and_addresses_and_other_braces_stay() -> None:
    text = """{east} {west} {east_url} {west_url} {east_node} {west_node} {namespace} {other} '[{"op":"add"}]'"""
    assert commands.render(text, SPEC) == (
        "gke laptop http://localhost:9001 http://localhost:9002 demo-gke-control-plane demo-laptop-control-plane "
        """test {other} '[{"op":"add"}]'"""
    )
    assert commands.render(commands.render(text, SPEC), SPEC) == commands.render(text, SPEC)


def test_a_typed_command_names_the_clusters_of_the_lab(context: Any) -> None:
    context.lab.spec = SPEC
    context.type("echo {west}")
    assert context.runner.ran == [("echo", "laptop")]
