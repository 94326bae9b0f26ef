"""Faults are done, seen, undone, refused and found again: by commands that take effect on clusters in memory."""

from __future__ import annotations

import json
import threading

import pytest

from lab.base import cancel
from lab.base.errors import HostError
from lab.clusters import NodeStatus
from lab.stage.faults import menu as menus
from lab.stage.faults.menu import FaultMenu
from lab.stage.parts import Declined, Fault
from tests.unit.stage.faults.test_catalog import IDS
from tests.unit.stage.faults.world import World, words

PATIENCE_S = 20
EVERY = [(stack, name) for stack, names in IDS.items() for name in names]


def fault(menu: FaultMenu, fault_id: str) -> Fault:
    (found,) = (one for one in menu.list() if one.id == fault_id)
    return found


@pytest.mark.parametrize(("world", "fault_id"), EVERY, indirect=["world"])
def test_what_is_shown_is_what_runs_and_the_undo_undoes_it(world: World, fault_id: str) -> None:
    menu = world.menu()
    menu.inject(fault_id)
    shown = fault(menu, fault_id)
    assert world.typed == [words(line) for line in shown.commands]
    assert shown.active
    assert fault(world.menu(), fault_id).active, "a stage that was started again knows it, too"

    world.typed.clear()
    menu.undo(fault_id)
    assert world.typed == [words(line) for line in shown.undo_commands]
    assert not fault(menu, fault_id).active
    assert [one.disabled for one in menu.list()] == [None] * len(menu.list())


def test_the_undo_of_a_stop_waits_until_the_cluster_is_back(world: World) -> None:
    menu = world.menu()
    menu.inject("stop-east")
    assert world.started == []
    menu.undo("stop-east")
    assert world.started == ["east"]


def test_a_fault_that_is_in_place_is_not_done_again_and_one_that_is_not_is_not_undone(world: World) -> None:
    menu = world.menu()
    menu.inject("kill-podinfo-east")
    world.typed.clear()
    with pytest.raises(Declined, match="Kill podinfo in East: it is in place already"):
        menu.inject("kill-podinfo-east")
    with pytest.raises(Declined, match="Kill podinfo in West: it is not in place"):
        menu.undo("kill-podinfo-west")
    assert world.typed == []


def test_what_somebody_else_did_is_seen_before_anything_runs(world: World) -> None:
    menu = world.menu()
    world.nodes["east"] = NodeStatus.STOPPED
    with pytest.raises(Declined, match="east's node is stopped"):
        menu.inject("kill-podinfo-east")
    assert world.typed == []
    assert fault(menu, "stop-east").active


def test_a_stopped_cluster_disables_what_needs_it(world: World) -> None:
    menu = world.menu()
    menu.inject("stop-east")
    disabled = {one.id: one.disabled for one in menu.list() if one.disabled}
    assert set(disabled.values()) == {"east's node is stopped"}
    assert {"kill-podinfo-east", "kill-gateway-east", "cut-west-east", "slow-podinfo-east"} <= disabled.keys()
    assert "stop-east" not in disabled, "it can be undone"
    assert "stop-west" not in disabled


@pytest.mark.parametrize("status", [NodeStatus.PAUSED, NodeStatus.ABSENT, NodeStatus.OFF_NETWORK])
def test_a_node_in_any_other_state_takes_no_fault(world: World, status: NodeStatus) -> None:
    world.nodes["east"] = status
    assert fault(world.menu(), "stop-east").disabled == f"east's node is {status.value}"
    assert not fault(world.menu(), "stop-east").active


def test_an_object_that_is_missing_is_named(world: World) -> None:
    del world.apis["east"].objects["/apis/apps/v1/namespaces/test/deployments/podinfo"]
    menu = world.menu()
    assert fault(menu, "kill-podinfo-east").disabled == "east has no podinfo"
    assert fault(menu, "slow-podinfo-east").disabled == "east has no podinfo"


def test_a_provider_that_cannot_cut_gives_its_reason(world: World) -> None:
    world.cannot_cut = "the clusters have no network of their own"
    menu = world.menu()
    assert fault(menu, "cut-west-east").disabled == "the clusters have no network of their own"
    assert fault(menu, "kill-podinfo-east").disabled is None


def test_a_stack_without_a_means_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.stage.faults.catalog.BY_STACK", {})
    monkeypatch.setattr("lab.stage.faults.situation.BY_STACK", {})
    shown = fault(world.menu(), "slow-podinfo-east")
    assert shown.disabled == f"the {world.mesh.name} stack has no way to answer later"
    assert shown.commands == ()


def test_an_engine_that_does_not_answer_disables_everything_with_the_reason(world: World) -> None:
    world.engine = False
    menu = world.menu()
    assert {one.disabled for one in menu.list()} == {"the container engine does not answer"}
    with pytest.raises(Declined, match="the container engine does not answer"):
        menu.inject("stop-east")


def test_before_the_first_look_everything_is_disabled(world: World) -> None:
    menu = FaultMenu(world.lab, world.mesh, do=world.do)
    assert {one.disabled for one in menu.list()} == {"the lab is still being read"}


def test_a_command_that_fails_is_an_error_and_what_happened_is_read(world: World) -> None:
    world.fails = "kubectl --context=east --namespace=test rollout"
    menu = world.menu()
    menu.inject("kill-podinfo-east")
    with pytest.raises(HostError, match="the command failed"):
        menu.undo("kill-podinfo-east")
    assert not fault(menu, "kill-podinfo-east").active, "the pods were scaled before the rollout failed"


def test_an_unknown_fault_is_a_key_error(world: World) -> None:
    with pytest.raises(KeyError):
        world.menu().inject("melt-the-machine")
    with pytest.raises(KeyError):
        world.menu().undo("melt-the-machine")


def test_the_menu_notices_what_others_change(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(menus, "_APART_S", 0.0)
    monkeypatch.setattr(menus, "_EVERY_S", 3600.0)
    changed = threading.Semaphore(0)
    menu = FaultMenu(world.lab, world.mesh, do=world.do)
    menu.start(changed.release)
    assert changed.acquire(timeout=PATIENCE_S), "the first look"
    assert not fault(menu, "cut-west-east").active
    world.cuts.add(("west", "east"))
    menu.nudge()
    assert changed.acquire(timeout=PATIENCE_S)
    assert fault(menu, "cut-west-east").active
    menu.close()
    menu.close()  # a second time does nothing
    assert menu._thread is not None
    assert not menu._thread.is_alive()


def test_reading_ends_when_the_run_is_cancelled(world: World, token: cancel.Token) -> None:
    changed = threading.Semaphore(0)
    menu = FaultMenu(world.lab, world.mesh, do=world.do)
    menu.start(changed.release)
    assert changed.acquire(timeout=PATIENCE_S)
    token.cancel()
    assert menu._thread is not None
    menu._thread.join(PATIENCE_S)
    assert not menu._thread.is_alive()


def test_a_fault_is_plain_json(world: World) -> None:
    data = json.loads(json.dumps([one.as_json() for one in world.menu().list()]))
    assert {"id", "title", "effect", "active", "disabled", "undo_title", "commands", "undo_commands"} == set(data[0])
