from __future__ import annotations

from pathlib import Path

import pytest

from lab.base.errors import UsageError
from lab.base.names import SCENARIO_LABEL
from lab.dev import parts, shared
from lab.dev.laptop.pod import DevPod
from lab.dev.laptop.process import DevProcess
from lab.kube.objects import labels_of
from lab.kube.owned import NotOwnedError
from lab.lab import Lab
from lab.stacks.istio.mesh import IstioMesh
from tests.unit.dev.conftest import free_port
from tests.unit.fake_api import FakeApi, kube, put

NAME = "my-service"


def names(api: FakeApi) -> set[str]:
    return {f"{obj['kind']} {obj['metadata']['name']}" for obj in api.objects.values()}


def deploy(lab: Lab, workload: parts.Workload) -> None:
    parts.owned(lab).apply_all(parts.wanted(lab, workload, NAME, ours_only=workload.name == NAME))


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
    deploy(lab, pod)
    deploy(lab, agent)
    parts.remove(lab, agent, NAME)
    assert names(api) == {
        "Deployment my-service",
        "ConfigMap my-service-code",
        "Service my-service",
        "ServiceAccount my-service",
    }
    parts.remove(lab, pod, NAME)
    assert names(api) == set()


def test_somebody_elses_service_stays(lab: Lab, apis: dict[str, FakeApi]) -> None:
    api = apis["west"]
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "namespace": "test"}, "spec": {}}
    put(kube(api), theirs)
    with pytest.raises(NotOwnedError, match="Service test/my-service exists already and does not carry"):
        parts.wanted(lab, parts.runner_of(NAME), NAME, ours_only=True)
    deploy(lab, parts.agent_of(NAME))
    assert "Deployment my-service-dev" in names(api)
    parts.remove(lab, parts.agent_of(NAME), NAME)
    assert names(api) == {"Service my-service"}


def labs_podinfo(lab: Lab) -> dict[str, object]:
    metadata = {"name": "podinfo", "namespace": "test", "labels": lab.owner("podinfo").labels}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {}}


def test_the_labs_own_workload_is_not_lab_devs_to_delete(lab: Lab, apis: dict[str, FakeApi]) -> None:
    put(kube(apis["west"]), labs_podinfo(lab))
    with pytest.raises(NotOwnedError, match="create Deployment test/podinfo, which belongs to the part podinfo"):
        parts.remove_all(lab, "podinfo")
    assert names(apis["west"]) == {"Deployment podinfo"}


def test_a_refused_pod_takes_nothing_away(lab: Lab, apis: dict[str, FakeApi], tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")
    put(kube(apis["west"]), labs_podinfo(lab))
    before = dict(apis["west"].objects)
    with pytest.raises(NotOwnedError, match="the part podinfo of the lab dev; nothing was changed"):
        DevPod(lab=lab, service="podinfo", folder=tmp_path).start()
    assert apis["west"].objects == before


def test_an_error_before_the_pod_is_there_leaves_an_earlier_runs_pod(
    lab: Lab, apis: dict[str, FakeApi], tmp_path: Path
) -> None:
    deploy(lab, parts.runner_of(NAME))
    before = names(apis["west"])
    with pytest.raises(UsageError):
        DevPod(lab=lab, service=NAME, folder=tmp_path / "absent").start()
    assert names(apis["west"]) == before


def test_a_process_that_never_listens_leaves_nothing(lab: Lab, apis: dict[str, FakeApi], tmp_path: Path) -> None:
    one = DevProcess(lab=lab, mesh=IstioMesh(lab), service=NAME, command=("false",), cwd=tmp_path)
    with pytest.raises(Exception, match="exited with 1 before it listened"):
        one.__enter__()
    assert names(apis["west"]) == set()
    assert one.child.poll() == 1


def test_a_port_where_nothing_listens_is_refused_at_once(lab: Lab, apis: dict[str, FakeApi]) -> None:
    port = free_port()
    with pytest.raises(UsageError, match=rf"nothing listens on port {port} of 127.0.0.1 or ::1"):
        DevProcess(lab=lab, mesh=IstioMesh(lab), service=NAME, port=port)
    assert apis["west"].asked == []


def test_neither_command_nor_port_is_refused(lab: Lab) -> None:
    with pytest.raises(UsageError, match="neither a command nor a port"):
        DevProcess(lab=lab, mesh=IstioMesh(lab), service=NAME)
    with pytest.raises(UsageError, match="not a name for a Service"):
        DevProcess(lab=lab, mesh=IstioMesh(lab), service="My_Service", port=8000)
