"""`lab reset` undoes every fault, also those of a stage that was killed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab import config
from lab.base.step import StepStatus
from lab.components import podinfo, workloads
from lab.kube import Kube, connect
from lab.lifecycle import changes, reset
from lab.stacks import STACKS
from tests.unit.fake_api import kube, put
from tests.unit.stage.faults.world import World


@pytest.fixture(autouse=True)
def ready(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every Deployment of these clusters counts as ready; what is waited for is noted."""
    monkeypatch.setattr(Kube, "lacks", lambda *_: [])
    waited: list[Any] = []
    monkeypatch.setattr(Kube, "wait_ready", lambda self, refs, **_: waited.append((self.cluster.name, *refs)))
    return waited


def replicas(world: World, namespace: str, name: str) -> int:
    found = world.apis["east"].objects[f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    return int(found["spec"]["replicas"])


def test_a_gateway_is_started_again(world: World, ready: list[Any]) -> None:
    (east_west,) = (one for one in world.mesh.gateway_workloads("east") if one.role == "east-west")
    place = east_west.deployment.namespace, east_west.deployment.name
    world.menu().inject("kill-gateway-east")
    assert replicas(world, *place) == 0
    lines = list(reset._gateways(world.mesh, world.lab.clusters["east"]))
    assert lines == [f"east: gateway {east_west.deployment.name} started"]
    assert replicas(world, *place) == 1
    assert ready == [("east", east_west.deployment)]
    assert list(reset._gateways(world.mesh, world.lab.clusters["east"])) == []


@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_gateway_gets_the_number_of_pods_of_lab_toml_again(world: World, ready: list[Any], before: int) -> None:
    lab = replace(world.lab, spec=config.parse("[ha]\ngateways = 2"))
    mesh, east = STACKS[world.mesh.name].mesh(lab), lab.clusters["east"]
    (east_west,) = (one for one in mesh.gateway_workloads("east") if one.role == "east-west")
    workloads.scale(connect(east), east_west.deployment, before)
    (line,) = reset._gateways(mesh, east)
    words = "started" if before == 0 else "has 2 pods again"
    assert line == f"east: gateway {east_west.deployment.name} {words}"
    assert replicas(world, east_west.deployment.namespace, east_west.deployment.name) == 2
    assert ready == [("east", east_west.deployment)]


def test_a_node_that_a_drain_left_accepts_pods_again(world: World) -> None:
    east = connect(world.lab.clusters["east"])
    metadata = {"name": east.cluster.node}
    put(east, {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"unschedulable": True}})
    assert list(reset._gateways(world.mesh, east.cluster)) == ["east: its node accepts new pods again"]
    assert list(reset._gateways(world.mesh, east.cluster)) == []


@pytest.mark.parametrize("world", ["linkerd"], indirect=True)
def test_podinfo_answers_at_once_again_where_its_own_variables_delay_it(world: World) -> None:
    east, component = connect(world.lab.clusters["east"]), podinfo.Podinfo()
    world.apis["east"].objects.clear()
    assert component.apply(world.lab, east.cluster).status is StepStatus.CHANGED
    assert component.apply(world.lab, east.cluster).status is StepStatus.UNCHANGED
    world.menu().inject("slow-podinfo-east")
    assert podinfo.is_delayed(east.get(podinfo.DEPLOYMENT))
    assert component.apply(world.lab, east.cluster).status is StepStatus.CHANGED
    assert not podinfo.is_delayed(east.get(podinfo.DEPLOYMENT))
    (container,) = (east.get(podinfo.DEPLOYMENT) or {})["spec"]["template"]["spec"]["containers"]
    assert "PODINFO_UI_COLOR" in {variable["name"] for variable in container["env"]}


@pytest.mark.parametrize("world", ["istio"], indirect=True)
def test_podinfo_answers_at_once_again_where_its_proxy_delays_it(world: World) -> None:
    world.menu().inject("slow-podinfo-east")
    lines = list(reset._objects_of_scenarios(world.lab, world.lab.clusters["east"]))
    assert lines == ["east: EnvoyFilter test/podinfo-latency deleted"]
    menu = world.menu()
    assert not next(one for one in menu.list() if one.id == "slow-podinfo-east").active


def test_status_names_what_the_stage_applied(world: World) -> None:
    world.menu().inject("slow-podinfo-east")
    found = list(changes.made_by_scenarios(world.lab, kube(world.apis["east"], "east")))
    expected = [("podinfo-latency", "stage")] if world.mesh.name == "istio" else []
    assert [(ref.name, maker) for ref, maker in found] == expected
