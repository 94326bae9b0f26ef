"""A gateway is alive with one ready pod, and says how many it lacks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab import config
from lab.lab import Lab
from lab.mesh import Mesh
from lab.mesh.gateways import not_serving
from lab.stacks import STACKS
from tests.unit.fake_api import FakeApi, kube, put


@pytest.fixture(params=STACKS)
def mesh(request: pytest.FixtureRequest, lab: Lab, apis: dict[str, FakeApi]) -> Mesh:
    """East's gateways have their address; lab.toml wants two pods of the east-west gateway."""
    wanted = replace(lab, spec=config.parse('name = "dev"\n[ha]\ngateways = 2'))
    mesh, east = STACKS[request.param].mesh(wanted), kube(apis["east"], "east")
    put(east, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "dev-east-control-plane"}})
    addresses = {"addresses": [{"type": "InternalIP", "address": "172.30.0.2"}]}
    apis["east"].objects["/api/v1/nodes/dev-east-control-plane"]["status"] = addresses
    for gateway in mesh.gateway_workloads("east"):
        of = gateway.service
        put(east, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": of.name, "namespace": of.namespace}})
        path = f"/api/v1/namespaces/{of.namespace}/services/{of.name}"
        apis["east"].objects[path]["status"] = {"loadBalancer": {"ingress": [{"ip": "172.30.0.2"}]}}
    return mesh


def run(mesh: Mesh, apis: dict[str, FakeApi], role: str, *, pods: int, ready: int) -> None:
    (of,) = (one.deployment for one in mesh.gateway_workloads("east") if one.role == role)
    metadata = {"name": of.name, "namespace": of.namespace}
    put(kube(apis["east"], "east"), {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
                                     "spec": {"replicas": pods}})  # fmt: skip
    path = f"/apis/apps/v1/namespaces/{of.namespace}/deployments/{of.name}"
    status: dict[str, Any] = {"observedGeneration": 1, "updatedReplicas": pods, "availableReplicas": ready}
    apis["east"].objects[path]["status"] = status


@pytest.mark.parametrize(
    ("pods", "ready", "alive", "problem"),
    [
        (2, 2, True, ""),
        (2, 1, True, "1 of 2 ready"),
        (1, 1, True, "1 of 2 ready"),  # somebody scaled it
        (3, 3, True, ""),
        (2, 0, False, "0/2 Available"),
        (0, 0, False, "it was scaled to 0 pods"),
    ],
)
def test_a_gateway_says_how_many_of_its_pods_are_ready(
    mesh: Mesh, apis: dict[str, FakeApi], *, pods: int, ready: int, alive: bool, problem: str
) -> None:
    run(mesh, apis, "ingress", pods=1, ready=1)
    run(mesh, apis, "east-west", pods=pods, ready=ready)
    ingress, east_west = sorted(mesh.gateways(["east"]), key=lambda gateway: gateway.role == "east-west")
    assert (ingress.alive, ingress.ready, ingress.wanted, ingress.problem) == (True, 1, 1, "")
    assert (east_west.alive, east_west.ready, east_west.wanted) == (alive, ready, 2)
    assert east_west.problem == problem if alive else problem in east_west.problem


def test_a_deployment_without_a_ready_pod_serves_nothing() -> None:
    metadata = {"name": "gateway", "namespace": "mesh", "generation": 1}
    replaced = {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 0}
    gateway = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": metadata, "spec": {}, "status": replaced}
    assert not_serving(gateway) == "Deployment mesh/gateway 0/1 Available"
    assert not_serving({**gateway, "status": {**replaced, "availableReplicas": 1, "replicas": 2}}) == ""
    assert not_serving(None) == "its Deployment does not exist"
