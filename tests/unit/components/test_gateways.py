"""The pods of the east-west gateways: their number, places, budget and end, on both stacks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.base.errors import WaitTimeout
from lab.components import workloads
from lab.kube import connect
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.lifecycle.render.files import files
from lab.stacks import STACKS
from lab.stacks.istio.east_west_gateway import EastWestGateway
from lab.stacks.linkerd.multicluster import Multicluster
from tests.unit.fake_api import FakeApi, kube, put
from tests.unit.rendering_kit import ChartFiles, fake_programs

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "eastwest-istio", "namespace": "istio-system"},
    "spec": {},
}


def of(lab: Lab, pods: int) -> Lab:
    return replace(lab, spec=config.parse(f'name = "dev"\n[ha]\ngateways = {pods}'))


def one(objects: Sequence[Obj], kind: str) -> Any:
    (found,) = (obj for obj in objects if obj["kind"] == kind)
    return found


def template(lab: Lab, stack: str) -> Any:
    """Return the pod template of East's gateway, for Istio what Istio merges into it, and the disruption budget."""
    if stack == "istio":
        objects = EastWestGateway().objects(lab, lab.east)
        parameters = one(objects, "Gateway")["spec"]["infrastructure"]["parametersRef"]
        options = one(objects, "ConfigMap")
        assert parameters == {"group": "", "kind": "ConfigMap", "name": options["metadata"]["name"]}
        spec = json.loads(options["data"]["deployment"])["spec"]
    else:
        objects = Multicluster().objects(lab, lab.east)
        spec = one(objects, "Deployment")["spec"]
    return spec["template"], one(objects, "PodDisruptionBudget")


@pytest.fixture
def programs(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The lab, with programs that render small charts."""
    fake_programs(monkeypatch)
    return replace(lab, artifacts=ChartFiles(tmp_path / "artifacts"))  # type: ignore[arg-type]


@pytest.mark.parametrize("stack", STACKS)
def test_one_pod_at_a_time_is_evicted_and_all_are_spread_where_that_is_possible(programs: Lab, stack: str) -> None:
    pods, budget = template(programs, stack)
    constraints = pods["spec"]["topologySpreadConstraints"]
    assert [rule["topologyKey"] for rule in constraints] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert {rule["whenUnsatisfiable"] for rule in constraints} == {"ScheduleAnyway"}, "a kind cluster has one node"
    assert budget["spec"]["maxUnavailable"] == 1
    (gateway,) = (g for g in STACKS[stack].mesh(programs).gateway_workloads("east") if g.role == "east-west")
    name, _, value = gateway.pods.partition("=")
    labels = [budget["spec"]["selector"], *(rule["labelSelector"] for rule in constraints)]
    assert labels == [{"matchLabels": {name: value}}] * 3


def test_linkerds_gateway_serves_while_nodes_forget_it(programs: Lab) -> None:
    pods, _ = template(programs, "linkerd")
    # The chart's only container; the proxy is a sidecar and ends after it.
    assert [container["lifecycle"] for container in pods["spec"]["containers"]] == [
        {"preStop": {"sleep": {"seconds": 5}}}
    ]


def test_linkerds_deployment_has_the_pods_of_lab_toml(programs: Lab) -> None:
    replicas = [one(Multicluster().objects(lab, lab.east), "Deployment")["spec"]["replicas"]
                for lab in (of(programs, 1), of(programs, 3))]  # fmt: skip
    assert replicas == [1, 3]


def test_istios_deployment_is_scaled_to_the_pods_of_lab_toml(lab: Lab, apis: dict[str, FakeApi]) -> None:
    east, gateway = kube(apis["east"], "east"), EastWestGateway()
    put(east, DEPLOYMENT)
    wanted = of(lab, 2)
    assert workloads.replicas(east.get(gateway.deployment)) == 1
    assert not gateway.settled(wanted, lab.east)
    workloads.ensure_replicas(east, gateway.deployment, 2)
    assert workloads.replicas(east.get(gateway.deployment)) == 2
    asked = len(apis["east"].asked)
    workloads.ensure_replicas(east, gateway.deployment, 2)
    assert {method for method, _ in apis["east"].asked[asked:]} == {"GET"}, "a second time changes nothing"


def test_a_gateway_that_istio_does_not_create_is_named(lab: Lab, apis: dict[str, FakeApi]) -> None:
    assert apis
    with pytest.raises(WaitTimeout, match=r"Deployment istio-system/eastwest-istio in east.*does not exist"):
        workloads.ensure_replicas(connect(lab.east), EastWestGateway().deployment, 2, timeout_s=0)


@pytest.mark.parametrize(("pods", "scales"), [(1, 0), (2, 1)])
def test_rendered_commands_scale_istios_gateway(programs: Lab, pods: int, scales: int) -> None:
    rendered = files(of(programs, pods), STACKS["istio"]).clusters["east"]
    text = "\n".join(file.content for file in rendered if file.path.endswith(".sh"))
    assert text.count(f"scale deployment/eastwest-istio --replicas={pods}") == scales
    assert text.count("scale deployment/") == scales
