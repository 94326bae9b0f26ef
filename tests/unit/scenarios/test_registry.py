from __future__ import annotations

import pytest

from lab.base.errors import UsageError
from lab.scenario import commands
from lab.scenario.model import Registry, Sabotage, Scenario
from lab.scenario.registry import names, registry
from tests.unit.scenarios.kit import check, scenario, step

ALL = list(registry().scenarios.values())


@pytest.mark.parametrize("whole", ALL, ids=lambda s: s.name)
def test_every_scenario_can_be_shown_to_fail(whole: Scenario) -> None:
    assert whole.sabotaged_steps


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
    assert names() == tuple(registry().scenarios)


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
