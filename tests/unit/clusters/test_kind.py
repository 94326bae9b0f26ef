import json
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.base.errors import ClusterError, HostError
from lab.base.paths import Paths
from lab.base.step import StepStatus
from lab.clusters import kubeconfig
from lab.clusters.kind import config as kind_config
from lab.clusters.kind import engine, power, wake
from lab.clusters.kind import provider as subject
from lab.clusters.provider import NodeStatus, OwnedResource
from lab.config import joined
from lab.host.machine import Machine
from lab.host.ownership import LabIdentity
from lab.lab import Lab
from tests.unit.clusters.conftest import FakeDocker, container, mark, network, provider_of
from tests.unit.clusters.test_kubeconfig import from_kind
from tests.unit.fake_api import FakeApi, kube

EAST = "dev-east-control-plane"


class Artifacts:
    def image(self, name: str) -> str:
        return f"eastwest-lab/{name}:1"

    def binary(self, name: str) -> Path:
        return Path(name)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = lab_of(tmp_path)
    made.paths.write_lab_id("1")
    return made


def lab_of(folder: Path) -> Lab:
    paths = Paths(cache=folder / "cache", state=folder / "state")
    return Lab(spec=config.parse('name = "dev"'), paths=paths, artifacts=Artifacts())  # type: ignore[arg-type]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, docker: FakeDocker, lab: Lab) -> list[str]:
    """The clusters that kind was told to create; their API servers have no Node object and are ready at once."""
    names: list[str] = []
    lab.paths.ensure_state()
    for name in lab.clusters:  # a finished cluster is in the lab's kubeconfig
        kubeconfig.adopt(lab.paths.kubeconfig, name=name, from_kind=from_kind(name))

    class FakeKind:
        def __init__(self, program: Path) -> None:
            assert program == Path("kind")

        def create(self, name: str, *, config: Path, kubeconfig: Path, network: str) -> None:
            assert f"name: {name}" in config.read_text()
            names.append(name.removeprefix("dev-"))
            node = f"{name}-control-plane"
            docker.nodes[node] = container(node, networks={network: IPv4Address("172.30.0.2")})
            kubeconfig.write_text(from_kind(names[-1]))

        def kubeconfig(self, name: str) -> str:
            return from_kind(name.removeprefix("dev-"))

    monkeypatch.setattr(subject, "KindCli", FakeKind)
    monkeypatch.setattr(subject, "connect", lambda cluster: kube(FakeApi(), cluster.name))
    monkeypatch.setattr(power, "connect", lambda cluster: None)
    monkeypatch.setattr(wake, "wait_until_back", lambda kube, **_: None)
    monkeypatch.setattr(wake, "wait_for_api", lambda kube, **_: None)
    return names


@pytest.fixture
def provider(docker: FakeDocker, tmp_path: Path) -> subject.KindProvider:
    docker.nets["dev"] = network("dev", "172.30.0.0/24", {"eastwest.lab/lab": "dev", "eastwest.lab/lab-id": "1"})
    return provider_of(docker, tmp_path)


def ensure(provider: subject.KindProvider, lab: Lab) -> StepStatus:
    return provider.ensure(lab, lab.clusters["east"], image="node-image").status


def test_a_cluster_that_is_not_there_is_made(provider: Any, lab: Lab, made: list[str]) -> None:
    assert ensure(provider, lab) is StepStatus.CHANGED
    assert made == ["east"]


def test_a_finished_cluster_is_left_as_it_is(provider: Any, docker: FakeDocker, lab: Lab, made: list[str]) -> None:
    docker.nodes[EAST], docker.files[EAST] = container(EAST), mark()
    assert ensure(provider, lab) is StepStatus.UNCHANGED
    assert made == []
    assert docker.did == []


@pytest.mark.parametrize("content", [None, "", "{}", '{"pod_cidr": 1, "new": 2}'])
def test_what_a_killed_run_left_over_is_made_again(
    provider: Any, docker: FakeDocker, lab: Lab, made: list[str], content: str | None
) -> None:
    docker.nodes[EAST] = container(EAST)
    if content is not None:
        docker.files[EAST] = content
    assert ensure(provider, lab) is StepStatus.CHANGED
    assert docker.did == [
        f"remove {EAST}",
        "run eastwest-lab/node-image:1",
        f"restart {EAST} unless-stopped",
        f"disconnect {EAST}",
        f"connect {EAST} 172.30.0.2",
    ]
    assert json.loads(docker.files[EAST])["address"] == "172.30.0.2"
    assert made == ["east"]


def test_a_container_that_never_started_is_made_again(
    provider: Any, docker: FakeDocker, lab: Lab, made: list[str]
) -> None:
    docker.nodes[EAST] = container(EAST, status="created")
    ensure(provider, lab)
    assert made == ["east"]


@pytest.mark.parametrize("case", [("exited", "start"), ("paused", "unpause")])
def test_a_node_that_stands_still_is_started(
    provider: Any, docker: FakeDocker, lab: Lab, made: list[str], case: tuple[str, str]
) -> None:
    status, verb = case
    docker.nodes[EAST], docker.files[EAST] = container(EAST, status=status), mark()
    assert ensure(provider, lab) is StepStatus.CHANGED
    assert docker.did == [f"{verb} {EAST}"]
    assert made == []


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": {}},
        {"labels": {"io.x-k8s.kind.cluster": "other"}},
        {"networks": {"kind": None}},
        {"networks": {}},
    ],
)
def test_a_foreign_container_of_the_same_name_is_never_touched(
    provider: Any, docker: FakeDocker, lab: Lab, made: list[str], changes: dict[str, Any]
) -> None:
    docker.nodes[EAST] = container(EAST, **changes)
    with pytest.raises(ClusterError, match="not the lab's; it was not touched"):
        provider.ensure(lab, lab.clusters["east"], image="node-image")
    provider.remove(lab)
    assert made == []
    assert EAST in docker.nodes
    assert provider.look(lab)["east"].status is NodeStatus.FOREIGN


def test_a_node_that_was_just_taken_off_its_network_is_still_the_labs(
    provider: Any, docker: FakeDocker, lab: Lab, made: list[str]
) -> None:
    docker.nodes[EAST] = container(EAST, networks={})
    file = lab.paths.state / "kind" / "east.yaml"
    file.parent.mkdir(parents=True)
    file.touch()
    assert ensure(provider, lab) is StepStatus.CHANGED
    assert made == ["east"]


def test_a_running_node_off_the_labs_network_is_seen_and_connected_again(
    provider: Any, docker: FakeDocker, lab: Lab, made: list[str]
) -> None:
    docker.nodes[EAST], docker.files[EAST] = container(EAST, networks={}), mark()
    assert provider.look(lab)["east"].status is NodeStatus.OFF_NETWORK
    assert ensure(provider, lab) is StepStatus.CHANGED
    assert provider.look(lab)["east"].status is NodeStatus.RUNNING
    assert made == []


def test_other_settings_than_the_cluster_was_made_with_are_named(
    provider: Any, docker: FakeDocker, lab: Lab, made: list[str]
) -> None:
    docker.nodes[EAST], docker.files[EAST] = container(EAST), mark(pod_cidr="10.99.0.0/16", ingress_port=1)
    with pytest.raises(ClusterError, match=r"pod_cidr is 10\.99.*says 10\.10.*; ingress_port is 1.*lab down"):
        provider.ensure(lab, lab.clusters["east"], image="node-image")


def test_a_node_with_another_address_gets_its_own_back(
    provider: Any, docker: FakeDocker, lab: Lab, made: list[str]
) -> None:
    docker.nodes[EAST], docker.files[EAST] = container(EAST), mark(address="172.30.0.9")
    assert ensure(provider, lab) is StepStatus.CHANGED
    assert docker.did == [f"disconnect {EAST}", f"connect {EAST} 172.30.0.9"]


def test_nodes_are_started_before_new_ones_can_take_their_addresses(
    provider: Any, docker: FakeDocker, lab: Lab
) -> None:
    docker.nodes[EAST] = container(EAST, status="exited")
    result = provider.prepare(lab)
    assert result.status is StepStatus.CHANGED
    assert result.detail == f"started {EAST}"


def test_removal_takes_all_nodes_of_the_lab_and_the_network_and_nothing_else(
    provider: Any, docker: FakeDocker, lab: Lab
) -> None:
    dropped, foreign = "dev-third-control-plane", "dev-x-control-plane"
    docker.nodes = {
        EAST: container(EAST, status="exited"),
        dropped: container(dropped),
        foreign: container(foreign, networks={"kind": None}),
    }
    assert provider.owned(lab) == [
        OwnedResource(kind="container", name=EAST),
        OwnedResource(kind="container", name=dropped),
        OwnedResource(kind="network", name="dev"),
    ]
    provider.remove(lab)
    assert set(docker.nodes) == {foreign}
    assert provider.owned(lab) == []
    provider.remove(lab)


def test_kinds_configuration_publishes_on_loopback_only_and_patches_only_where_needed() -> None:
    spec = config.parse('name = "dev"').clusters["east"]
    able = kind_config.EngineLimits()
    built = kind_config.build(lab_name="dev", lab_id="1", kind_name="dev-east", spec=spec, image="node", engine=able)
    assert built["networking"] == {
        "apiServerAddress": "127.0.0.1",
        "podSubnet": "10.10.0.0/16",
        "serviceSubnet": "10.110.0.0/16",
    }
    node = built["nodes"][0]
    assert [(m["hostPort"], m["containerPort"], m["listenAddress"]) for m in node["extraPortMappings"]] == [
        (8081, 80, "127.0.0.1")
    ]
    assert node["labels"]["topology.kubernetes.io/region"] == "europe-west1"
    assert "containerdConfigPatches" not in built
    assert [patch.splitlines()[1] for patch in node["kubeadmConfigPatches"]] == [
        "crashLoopBackOff:",
        "encryptionAlgorithm: ECDSA-P256",
    ]
    poor = kind_config.EngineLimits(cgroup_v1=True, may_raise_priority=False)
    built = kind_config.build(lab_name="dev", lab_id="1", kind_name="dev-east", spec=spec, image="node", engine=poor)
    assert "restrict_oom_score_adj = true" in built["containerdConfigPatches"][0]
    assert "failCgroupV1: false" in built["nodes"][0]["kubeadmConfigPatches"][2]


@pytest.mark.parametrize(
    ("bounding", "patched"), [("000001ffffffffff", False), ("000001fffeffffff", True), ("0000000000000000", True)]
)
def test_what_a_node_may_do_is_asked_of_a_container_not_of_this_process(
    docker: FakeDocker, tmp_path: Path, bounding: str, patched: bool
) -> None:
    """This process may run elsewhere, or with other capabilities than the engine."""
    docker.node_sees = f"CapBnd:\t{bounding}\n"
    limits = engine.engine(docker, "node:1", Machine(root=tmp_path))  # type: ignore[arg-type]
    assert limits.may_raise_priority is not patched
    assert limits.cgroup_v1
    assert docker.did == ["run node:1"]


def test_the_process_of_this_machines_own_service_needs_no_container(docker: FakeDocker, tmp_path: Path) -> None:
    for path, text in {
        "run/docker.pid": "77",
        "proc/77/comm": "dockerd\n",
        "proc/77/status": "CapBnd:\t000001fffeffffff\n",
        "proc/sys/kernel/cap_last_cap": "40\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    docker.here = True
    limits = engine.engine(docker, "node:1", Machine(root=tmp_path, system="Linux"))  # type: ignore[arg-type]
    assert (limits.may_raise_priority, docker.did) == (False, [])
    docker.here = False
    limits = engine.engine(docker, "node:1", Machine(root=tmp_path, system="Linux"))  # type: ignore[arg-type]
    assert (limits.may_raise_priority, docker.did) == (True, ["run node:1"]), "another engine: its nodes have it"


def test_a_mark_is_written_as_it_is_read(provider: Any, docker: FakeDocker) -> None:
    wanted = subject.NodeMark(**json.loads(mark(memory_mib=2048)))
    provider._write_mark(EAST, wanted)
    assert provider._mark(EAST) == wanted


def put_up(docker: FakeDocker, lab: Lab) -> subject.KindProvider:
    """One node that stands still, on a network of the lab's own."""
    provider = provider_of(docker, lab.paths.state)
    provider.prepare(lab)
    identity = LabIdentity.of("dev", lab.paths)
    docker.nodes[EAST] = container(EAST, status="exited", networks={"dev": None})
    docker.files[EAST] = mark(lab_id=identity.lab_id, home=identity.home, subnet="172.30.0.0/24")
    return provider


def test_another_lab_of_the_same_name_is_named_and_never_touched(docker: FakeDocker, tmp_path: Path) -> None:
    mine, theirs = lab_of(tmp_path / "mine"), lab_of(tmp_path / "theirs")
    provider = put_up(docker, theirs)
    before = dict(docker.nodes), dict(docker.nets)
    assert provider.owned(mine) == []
    assert str(theirs.paths.state) in provider.foreign(mine)
    with pytest.raises(ClusterError, match=f"belongs to the lab of .*{theirs.paths.state}; it was not touched"):
        provider.prepare(mine)
    provider.remove(mine)
    assert (docker.nodes, docker.nets) == before
    assert (provider.has_lab("dev"), provider.has_lab("other")) == (True, False)
    docker.nets.clear()
    assert provider.has_lab("dev")
    assert provider.look(mine)["east"].status is NodeStatus.FOREIGN
    assert mine.id == ""


def test_another_labs_nodes_are_not_touched_either_when_their_network_is_gone(
    docker: FakeDocker, tmp_path: Path
) -> None:
    mine, theirs = lab_of(tmp_path / "mine"), lab_of(tmp_path / "theirs")
    provider = put_up(docker, theirs)
    docker.nets.clear()
    assert provider.owned(mine) == []
    with pytest.raises(ClusterError, match="the node 'dev-east-control-plane' belongs to the lab of"):
        provider.prepare(mine)
    assert docker.nets == {}


def test_a_pruned_network_comes_back_with_its_subnet_and_addresses(docker: FakeDocker, tmp_path: Path) -> None:
    lab = lab_of(tmp_path)
    docker.nets["other"] = network("other", "172.30.0.0/24", {})
    provider = put_up(docker, lab)
    docker.files[EAST] = docker.files[EAST].replace("172.30.0", "172.30.1")
    docker.nets.clear()
    assert OwnedResource(kind="container", name=EAST) in provider.owned(lab)
    provider.prepare(lab)
    assert str(docker.nets["dev"].subnets[0]) == "172.30.1.0/24"
    assert docker.did == [f"disconnect {EAST}", f"connect {EAST} 172.30.1.2", f"start {EAST}"]


def test_a_pruned_networks_subnet_that_somebody_uses_now_is_an_error(docker: FakeDocker, tmp_path: Path) -> None:
    lab = lab_of(tmp_path)
    provider = put_up(docker, lab)
    docker.nets.clear()
    docker.nets["other"] = network("other", "172.30.0.0/16", {})
    with pytest.raises(HostError, match=r"172\.30\.0\.0/24 is now in use by the Docker network 'other'"):
        provider.prepare(lab)


def test_what_is_left_without_a_network_is_removed(docker: FakeDocker, tmp_path: Path) -> None:
    lab = lab_of(tmp_path)
    provider = put_up(docker, lab)
    docker.nets.clear()
    provider.remove(lab)
    assert docker.nodes == {}
    assert provider.owned(lab) == []


def test_a_lost_state_folder_takes_the_id_of_what_it_owns(docker: FakeDocker, tmp_path: Path) -> None:
    lab = lab_of(tmp_path)
    provider = put_up(docker, lab)
    before = lab.id
    lab.paths.lab_id.unlink()
    provider.prepare(lab)
    assert lab.id == before


def test_a_lab_from_before_ids_gets_one_and_its_nodes_marks_too(
    docker: FakeDocker, lab: Lab, made: list[str], provider: Any
) -> None:
    lab.paths.lab_id.unlink()
    docker.nets["dev"] = network("dev", "172.30.0.0/24", {"eastwest.lab/lab": "dev"})
    file = lab.paths.kind_config("east")
    file.parent.mkdir(parents=True)
    file.touch()
    docker.nodes[EAST], docker.files[EAST] = container(EAST), mark(lab_id="")
    provider.prepare(lab)
    ensure(provider, lab)
    assert lab.id
    assert json.loads(docker.files[EAST])["lab_id"] == lab.id
    assert made == []


NORTH = "dev-north-control-plane"


def with_north(docker: FakeDocker, lab: Lab) -> Lab:
    table = joined.table(lab.spec, "north", region=None, ingress_port=None, is_free=lambda _: True)
    docker.nodes[EAST], docker.files[EAST] = container(EAST), mark()
    docker.nodes[NORTH] = container(NORTH)
    return replace(lab, spec=joined.extended(lab.spec, {"north": table}))


def test_a_cluster_that_leaves_is_deleted_and_no_other(
    provider: Any, docker: FakeDocker, lab: Lab, made: list[str]
) -> None:
    three = with_north(docker, lab)
    kubeconfig.adopt(lab.paths.kubeconfig, name="north", from_kind=from_kind("north"))
    for file in (lab.paths.kind_config("north"), lab.paths.kind_config("east")):
        file.parent.mkdir(exist_ok=True)
        file.touch()
    for _ in range(2):  # also after a run that was killed in the middle
        provider.remove_cluster(three, three.clusters["north"])
        assert set(docker.nodes) == {EAST}
        assert kubeconfig.contexts(lab.paths.kubeconfig) == ("east", "west")
        assert not lab.paths.kind_config("north").exists()
        assert lab.paths.kind_config("east").exists()
    assert docker.did == [f"remove {NORTH}"]


def test_a_cluster_of_another_lab_is_not_deleted(provider: Any, docker: FakeDocker, lab: Lab) -> None:
    three = with_north(docker, lab)
    docker.nodes[NORTH] = container(NORTH, networks={"kind": IPv4Address("172.18.0.2")})
    with pytest.raises(ClusterError, match="is not the lab's; it was not touched"):
        provider.remove_cluster(three, three.clusters["north"])
    assert NORTH in docker.nodes


def test_nodes_have_the_processors_first_until_the_block_ends(provider: Any, docker: FakeDocker, lab: Lab) -> None:
    def interrupted() -> None:
        with provider.power.prefer([lab.clusters["east"]]):
            assert docker.did == [f"weigh {EAST} 32768"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert docker.did[-1] == f"weigh {EAST} 1024"
