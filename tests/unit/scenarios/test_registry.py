from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.base.errors import LabError, UsageError
from lab.mesh.capabilities import Capability
from lab.scenario import commands
from lab.scenario.actions import Action, On
from lab.scenario.context import Context
from lab.scenario.model import Registry, Sabotage, Scenario, ScenarioStep
from lab.scenario.observation import Outcome
from lab.scenario.registry import names, registry
from lab.stacks import STACKS as BY_NAME
from tests.unit.scenarios.kit import (
    SCENARIOS,
    STACKS,
    FakeRunner,
    check,
    lab_of,
    scenario,
    step,
    steps_of,
    target,
    typed,
)
from tests.unit.scenarios.test_shown import parts_of


class Nothing:
    """A missing lab, of which lab.toml says all, or a missing mesh with all capabilities."""

    capabilities = frozenset(Capability)
    spec = config.parse("")

    def __getattr__(self, name: str) -> Any:
        raise LabError(f"there is no lab: {name}")


RENDERED = [
    (stack, whole) for stack in STACKS for whole in registry(target(stack, Path("/nowhere"))).scenarios.values()
]
ALL = [pytest.param(whole, id=f"{stack}-{whole.name}") for stack, whole in RENDERED]
EACH = [
    pytest.param(whole, one, id=f"{stack}-{whole.name}/{one.name}") for stack, whole in RENDERED for one in whole.steps
]
MODULES = [file for file in sorted(SCENARIOS.rglob("*.py")) if "test_" not in file.name]


@pytest.mark.parametrize("whole", ALL)
def test_every_scenario_can_be_shown_to_fail(whole: Scenario) -> None:
    assert whole.sabotaged_steps


@pytest.mark.parametrize(("whole", "one"), EACH)
def test_every_check_can_run_before_its_step(whole: Scenario, one: ScenarioStep) -> None:
    """Without a lab no check holds, and none may end in a KeyError."""
    context = Context(lab=Nothing(), mesh=Nothing(), full=True)  # type: ignore[arg-type]
    instant = replace(one, checks=tuple(replace(check, within_s=0.0) for check in one.checks))
    for result in steps_of(context, FakeRunner({})).check(whole, instant).checks:
        assert result.outcome is not Outcome.PASSED
        assert "KeyError" not in result.reason


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(SCENARIOS)))
def test_looks_recall_what_steps_remember(file: Path) -> None:
    """No look reads or writes the memo itself: `recall` reports a step that has not run, `Observe` stores."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr == "memo"] == []


@pytest.mark.parametrize("whole", ALL)
def test_every_shown_command_can_be_typed(whole: Scenario) -> None:
    for one in whole.steps:
        commands.parse(one.script)
        commands.parse(one.undo_script)
        for claim in one.checks:
            commands.parse(claim.command)


@pytest.mark.parametrize("whole", ALL)
def test_arrows_join_what_is_in_the_picture(whole: Scenario) -> None:
    there = {f"{node.cluster}/{name}" for node in whole.topology.nodes for name in node.services}
    assert {end for arrow in whole.topology.arrows for end in (arrow.source, arrow.target)} <= there


def alternatives(actions: Sequence[Action], stack: str) -> Iterator[On]:
    for action in actions:
        if isinstance(action, On):
            yield action
            yield from alternatives(action.by_stack.get(stack, ()), stack)


@pytest.mark.parametrize("stack", STACKS)
def test_actions_that_differ_by_stack_name_each_stack_that_runs_them(stack: str) -> None:
    """The actions of a stack that is left out would be missing without an error."""
    able = BY_NAME[stack].mesh(lab_of()).capabilities
    silent = [
        f"{name}/{one.name}, {part}: on({', '.join(f'{known}=…' for known in found.by_stack)})"
        for name in names()
        for one in import_module(f"scenarios.{name}").SCENARIO.steps
        if one.requires <= able
        for part, actions in parts_of(one).items()
        for found in alternatives(actions, stack)
        if stack not in found.by_stack
    ]
    assert not silent, "\n".join([f"add {stack}=… to each, or {stack}=() where the stack needs nothing:", *silent])


def test_every_folder_of_a_scenario_is_in_the_list_of_names() -> None:
    folders = {file.parent.name for file in SCENARIOS.glob("*/__init__.py")}
    assert set(names()) == folders, "NAMES in scenarios/__init__.py lists the folders, in the order of the talk"


def test_completion_knows_the_names_without_the_scenarios() -> None:
    known = tuple(registry(target("istio", Path("/nowhere"))).scenarios)
    assert names() == known, "the `name` of a SCENARIO is its folder's"


def test_scenarios_are_picked_in_the_order_given_and_once() -> None:
    small = Registry()
    for name in ("a", "b", "c"):
        small.add(scenario(step(do=typed("echo")), name=name))
    assert [s.name for s in small.pick(["c", "a", "c"])] == ["c", "a"]
    assert [s.name for s in small.pick([])] == ["a", "b", "c"]
    with pytest.raises(UsageError, match="'d'; known: a, b, c"):
        small.pick(["a", "d"])


def test_a_scenario_that_cannot_fail_is_refused() -> None:
    with pytest.raises(ValueError, match="has no check"):
        Scenario(**{**vars(scenario(step(do=typed("echo")))), "steps": (step(do=typed("echo")),)})
    with pytest.raises(ValueError, match="has no sabotage"):
        Scenario(**{**vars(scenario(step(do=typed("echo")))), "steps": (step(checks=(check(),)),)})


def test_a_sabotage_of_no_check_is_refused() -> None:
    wrong = Sabotage(title="off", do=(), undo=(), fails="nothing")
    with pytest.raises(ValueError, match="'nothing', which is none of its checks"):
        scenario(step(checks=(check(),), sabotage=wrong))
