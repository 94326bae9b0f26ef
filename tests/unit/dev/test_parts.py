from __future__ import annotations

from pathlib import Path

import pytest

from lab.base.errors import ClusterError, UsageError
from lab.dev import parts, shared
from lab.dev.laptop.process import DevProcess
from lab.kube.objects import labels_of
from lab.lab import Lab
from lab.lifecycle.reset import SCENARIO_LABEL
from lab.stacks.istio.mesh import IstioMesh
from tests.unit.dev.conftest import free_port
from tests.unit.fake_api import FakeApi, kube

NAME = "my-service"


def names(api: FakeApi) -> set[str]:
    return {f"{obj['kind']} {obj['metadata']['name']}" for obj in api.objects.values()}


def put(lab: Lab, api: FakeApi, workload: parts.Workload) -> None:
    parts.ensure_service(kube(api), NAME, ours_only=True)
    kube(api).apply_all(workload.objects(lab, lab.clusters["west"]))


def test_reset_finds_all_that_lab_dev_makes(lab: Lab) -> None:
    west = lab.clusters["west"]
    made = [
        *parts.service_objects(NAME),
        *parts.runner_of(NAME).objects(lab, west),
        *parts.agent_of(NAME).objects(lab, west),
        *shared.objects(lab, "east"),
    ]
    assert [obj for obj in made if SCENARIO_LABEL not in labels_of(obj)] == []


def test_the_agent_runs_on_the_files_that_it_is_given(lab: Lab) -> None:
    config, deployment = parts.agent_of(NAME).objects(lab, lab.clusters["west"])
    (volume,) = [v for v in deployment["spec"]["template"]["spec"]["volumes"] if v["name"] == "lab-dev"]
    assert {item["key"] for item in volume["configMap"]["items"]} == set(config["data"]) == {"agent.py", "mux.py"}
    for text in config["data"].values():
        assert {line for line in text.splitlines() if "import" in line and "lab." in line} <= {
            "from lab.dev.inpod.mux import CHUNK, Mux, RefusedError, Stream, splice"
        }


def test_the_last_one_takes_the_services_name_away(lab: Lab, apis: dict[str, FakeApi]) -> None:
    api = apis["west"]
    pod, agent = parts.runner_of(NAME), parts.agent_of(NAME)
    put(lab, api, pod)
    put(lab, api, agent)
    parts.remove(kube(api), agent, NAME)
    assert names(api) == {
        "Deployment my-service",
        "ConfigMap my-service-code",
        "Service my-service",
        "ServiceAccount my-service",
    }
    parts.remove(kube(api), pod, NAME)
    assert names(api) == set()


def test_somebody_elses_service_stays(lab: Lab, apis: dict[str, FakeApi]) -> None:
    api = apis["west"]
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "namespace": "test"}, "spec": {}}
    kube(api).apply(theirs)
    with pytest.raises(ClusterError, match="has not made"):
        parts.ensure_service(kube(api), NAME, ours_only=True)
    parts.ensure_service(kube(api), NAME, ours_only=False)
    parts.remove(kube(api), parts.agent_of(NAME), NAME)
    assert names(api) == {"Service my-service"}


def test_a_process_that_never_listens_leaves_nothing(lab: Lab, apis: dict[str, FakeApi], tmp_path: Path) -> None:
    one = DevProcess(lab=lab, mesh=IstioMesh(lab), service=NAME, command=("false",), cwd=tmp_path)
    with pytest.raises(Exception, match="ended with 1 before it listened"):
        one.__enter__()
    assert names(apis["west"]) == set()
    assert one.child.poll() == 1


def test_a_port_where_nothing_listens_is_refused_at_once(lab: Lab, apis: dict[str, FakeApi]) -> None:
    port = free_port()
    with pytest.raises(UsageError, match=rf"nothing listens on port {port} of 127.0.0.1 or ::1"):
        DevProcess(lab=lab, mesh=IstioMesh(lab), service=NAME, port=port)
    assert apis["west"].asked == []


def test_neither_command_nor_port_is_refused(lab: Lab) -> None:
    with pytest.raises(UsageError, match="neither a command nor the port"):
        DevProcess(lab=lab, mesh=IstioMesh(lab), service=NAME)
    with pytest.raises(UsageError, match="no name for a Service"):
        DevProcess(lab=lab, mesh=IstioMesh(lab), service="My_Service", port=8000)
