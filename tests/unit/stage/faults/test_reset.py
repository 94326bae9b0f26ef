"""`lab reset` undoes every fault, also those of a stage that was killed."""

from __future__ import annotations

from typing import Any

import pytest

from lab.components import podinfo
from lab.kube import Kube
from lab.lifecycle import changes, reset
from tests.unit.fake_api import kube
from tests.unit.stage.faults.world import World


@pytest.fixture(autouse=True)
def ready(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """No Deployment of these clusters ever becomes ready; what is waited for is noted."""
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


def test_podinfo_answers_at_once_again(world: World) -> None:
    world.menu().inject("slow-podinfo-east")
    east = kube(world.apis["east"], "east")
    if world.mesh.name == "linkerd":
        assert podinfo.is_delayed(east.get(podinfo.DEPLOYMENT))
        # The Deployment is the lab's own: an object of another owner would be refused.
        own = world.apis["east"].objects["/apis/apps/v1/namespaces/test/deployments/podinfo"]
        own["metadata"]["labels"] = world.lab.owner("podinfo").labels
        assert podinfo.undelay(world.lab, east) is True
        assert podinfo.undelay(world.lab, east) is False
        (container,) = east.get(podinfo.DEPLOYMENT)["spec"]["template"]["spec"]["containers"]  # type: ignore[index]
        assert container["env"] == [{"name": "PODINFO_UI_COLOR", "value": "#fff"}]
    else:
        lines = list(reset._objects_of_scenarios(world.lab, world.lab.clusters["east"]))
        assert lines == ["east: EnvoyFilter test/podinfo-latency deleted"]
        assert podinfo.undelay(world.lab, east) is False
    menu = world.menu()
    assert not next(one for one in menu.list() if one.id == "slow-podinfo-east").active


def test_status_names_what_the_stage_applied(world: World) -> None:
    world.menu().inject("slow-podinfo-east")
    found = list(changes.made_by_scenarios(world.lab, kube(world.apis["east"], "east")))
    expected = [("podinfo-latency", "stage")] if world.mesh.name == "istio" else []
    assert [(ref.name, maker) for ref, maker in found] == expected
