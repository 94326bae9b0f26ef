from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.base.errors import LabError, UsageError
from lab.base.paths import PROJECT
from lab.mesh.capabilities import Capability
from lab.scenario import commands
from lab.scenario.context import Context
from lab.scenario.model import Outcome, Registry, Sabotage, Scenario, ScenarioStep
from lab.scenario.registry import names, registry
from lab.scenario.runner import ScenarioRunner
from tests.unit.scenarios.kit import FakeRunner, check, scenario, step

ACT_HELPERS = {"_copy"}


class Nothing:
    """A missing lab, or a missing mesh with all capabilities."""

    capabilities = frozenset(Capability)

    def __getattr__(self, name: str) -> Any:
        raise LabError(f"there is no lab: {name}")


DEFAULT = config.parse("")
ALL = list(registry(DEFAULT).scenarios.values())


@pytest.mark.parametrize("whole", ALL, ids=lambda s: s.name)
def test_every_scenario_can_be_shown_to_fail(whole: Scenario) -> None:
    assert whole.sabotaged_steps


@pytest.mark.parametrize(("whole", "one"), [(s, one) for s in ALL for one in s.steps], ids=lambda s: s.name)
def test_every_check_can_run_before_its_step(whole: Scenario, one: ScenarioStep) -> None:
    """Without a lab no check holds, and none may end in a KeyError."""
    context = Context(lab=Nothing(), mesh=Nothing(), full=True, runner=FakeRunner({}))  # type: ignore[arg-type]
    instant = replace(one, checks=tuple(replace(check, within_s=0.0) for check in one.checks))
    for result in ScenarioRunner(context=context).run_step(whole, instant, act=False).checks:
        assert result.outcome is not Outcome.PASSED
        assert "KeyError" not in result.reason


@pytest.mark.parametrize("file", sorted(PROJECT.glob("scenarios/*.py")), ids=lambda file: file.stem)
def test_looks_recall_what_acts_remember(file: Path) -> None:
    """A function that returns a value reads the memo by `recall`, which reports a step that has not run."""
    for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef) and ast.unparse(function.returns or ast.Constant(None)) != "None":
            found = [ast.unparse(n) for n in ast.walk(function) if isinstance(n, ast.Attribute) and n.attr == "memo"]
            assert found == [] or function.name in ACT_HELPERS, f"{file.name}: {function.name}"


@pytest.mark.parametrize("whole", ALL, ids=lambda s: s.name)
def test_every_shown_command_can_be_typed(whole: Scenario) -> None:
    for one in whole.steps:
        commands.parse(one.command)
        commands.parse(one.undo_command)


@pytest.mark.parametrize("whole", ALL, ids=lambda s: s.name)
def test_arrows_join_what_is_in_the_picture(whole: Scenario) -> None:
    there = {f"{node.cluster}/{name}" for node in whole.topology.nodes for name in node.services}
    assert {end for arrow in whole.topology.arrows for end in (arrow.source, arrow.target)} <= there


def test_completion_knows_the_names_without_the_scenarios() -> None:
    assert names() == tuple(registry(DEFAULT).scenarios)


def test_scenarios_are_picked_in_the_order_given_and_once() -> None:
    small = Registry()
    for name in ("a", "b", "c"):
        small.add(scenario(step(command="echo"), name=name))
    assert [s.name for s in small.pick(["c", "a", "c"])] == ["c", "a"]
    assert [s.name for s in small.pick([])] == ["a", "b", "c"]
    with pytest.raises(UsageError, match="'d'; there are: a, b, c"):
        small.pick(["a", "d"])


def test_a_scenario_that_cannot_fail_is_refused() -> None:
    with pytest.raises(ValueError, match="has no check"):
        Scenario(**{**vars(scenario(step(command="echo"))), "steps": (step(command="echo"),)})
    with pytest.raises(ValueError, match="has no sabotage"):
        Scenario(**{**vars(scenario(step(command="echo"))), "steps": (step(checks=(check(),)),)})


def test_a_sabotage_of_no_check_is_refused() -> None:
    wrong = Sabotage(title="off", act=lambda _: None, undo=lambda _: None, fails="nothing")
    with pytest.raises(ValueError, match="'nothing', which is none of its checks"):
        scenario(step(checks=(check(),), sabotage=wrong))
