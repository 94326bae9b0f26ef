"""A cluster joins a lab that is up, and leaves it: what is done, in which order, and what an accident leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import config
from lab.base import wait
from lab.base.errors import UsageError, WaitTimeout
from lab.base.paths import Paths
from lab.base.step import Step
from lab.clusters import Node, NodeStatus
from lab.clusters.provider import WireState
from lab.config import joined
from lab.kube import KubeError
from lab.lab import Lab
from lab.lifecycle import joining, plan, reset, runner
from lab.lifecycle.answers import FrontendAnswers
from lab.mesh.model import Failover, IngressRoute, Split
from tests.unit.plan_kit import before


def lab_of(folder: Path, toml: str = 'stack = "istio"') -> Lab:
    paths = Paths(cache=folder / "cache", state=folder / "state")
    return Lab(spec=config.parse(toml), paths=paths, artifacts=None)  # type: ignore[arg-type]


def with_north(folder: Path, toml: str = 'stack = "istio"') -> Lab:
    lab = joining.prepared(lab_of(folder, toml), "north", ingress_port=9999)
    joining.record(lab)
    return lab


@pytest.fixture(autouse=True)
def nothing_to_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan.artifacts, "steps", lambda store, wanted: [])


def steps(folder: Path, stack: str) -> list[Step]:
    return joining.steps(with_north(folder, f'stack = "{stack}"'), "north")


# Joining


@pytest.mark.parametrize("stack", ["istio", "linkerd"])
def test_a_cluster_joins_with_the_steps_of_up(tmp_path: Path, stack: str) -> None:
    found = steps(tmp_path, stack)
    runner.check(found)
    every = {step.name: step for step in plan.up(with_north(tmp_path, f'stack = "{stack}"'))}
    assert {step.name for step in found} <= set(every)
    assert {name for name in every if name.startswith("north/")} <= {step.name for step in found}
    assert "export/podinfo-north" in {step.name for step in found}


@pytest.mark.parametrize("stack", ["istio", "linkerd"])
def test_the_applications_of_the_other_clusters_are_not_touched(tmp_path: Path, stack: str) -> None:
    names = {step.name for step in steps(tmp_path, stack)}
    for cluster in ("east", "west"):
        assert not names & {f"{cluster}/{part}" for part in ("podinfo", "frontend", "answers")}


@pytest.mark.parametrize("stack", ["istio", "linkerd"])
def test_the_others_get_to_know_a_cluster_when_it_answers(tmp_path: Path, stack: str) -> None:
    found = steps(tmp_path, stack)
    for other in ("east", "west"):
        assert {"north/answers", "north/podinfo", "north/ingress"} <= before(found, f"{other}/link-to-north")
    assert not {"east/link-to-north", "west/link-to-north"} & before(found, "north/answers")


def test_without_a_cluster_only_what_clusters_know_of_each_other_is_left(tmp_path: Path) -> None:
    names = {step.name for step in joining.knowing(lab_of(tmp_path))}
    assert {"routes", "west/link-to-east", "east/istio", "export/podinfo-east"} <= names
    assert not {name for name in names if name.rpartition("/")[2] in {"podinfo", "frontend", "answers", "ingress"}}


def test_a_cluster_of_lab_toml_cannot_join(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="west is a cluster of the default lab") as raised:
        joining.prepared(lab_of(tmp_path), "west")
    assert raised.value.next == "lab up"


def test_a_second_time_nothing_is_new_and_other_values_are_refused(tmp_path: Path) -> None:
    lab = with_north(tmp_path)
    assert joining.prepared(lab, "north") == lab
    assert joining.prepared(lab, "north", ingress_port=9999) == lab
    with pytest.raises(UsageError, match="--ingress-port: north joined with 9999") as raised:
        joining.prepared(lab, "north", ingress_port=9998)
    assert raised.value.next == "lab cluster remove north, then this command again"


def test_a_lab_with_a_profile_has_the_profiles_clusters(tmp_path: Path) -> None:
    lab = lab_of(tmp_path)
    lab.paths.ensure_state()
    lab.paths.profile.write_text("{}")
    with pytest.raises(UsageError, match="profile"):
        joining.prepared(lab, "north")


# Leaving


@dataclass
class Network:
    """A lab of three clusters: notes what is done, in order."""

    did: list[str] = field(default_factory=list)
    status: NodeStatus = NodeStatus.RUNNING
    answers: bool = True
    busy: int = 0
    """How often the cluster still answers requests of others after they forgot it."""
    splits: list[Split] = field(default_factory=list)
    failovers: list[Failover] = field(default_factory=list)
    ingress_routes: list[IngressRoute] = field(default_factory=list)
    known: list[tuple[str, ...]] = field(default_factory=list)
    """The clusters of each mesh that was asked to change something."""

    def look(self, lab: Lab) -> Mapping[str, Node]:
        return {name: Node(name=name, status=self.status) for name in lab.clusters}

    def mesh(self, lab: Lab) -> Any:
        return Mesh(self, lab)

    refuses: str = ""
    """Why the mesh refuses a failover."""
    reached: bool = True
    """Whether the frontends of the others answer."""


@dataclass
class Mesh:
    network: Network
    lab: Lab

    def __getattr__(self, name: str) -> Any:
        if name in {"splits", "failovers", "ingress_routes"}:
            return lambda *_: getattr(self.network, name)

        def change(*words: Any) -> bool:
            if name == "fail_over" and self.network.refuses:
                raise UsageError(self.network.refuses)
            self.network.known.append(tuple(self.lab.clusters))
            self.network.did.append(" ".join([name, *map(str, words)]))
            return True

        return change


class Provider:
    def __init__(self, network: Network) -> None:
        self.network, self.wire = network, self
        self.look = network.look

    def state(self, lab: Lab, names: list[str]) -> WireState:
        return WireState(cuts=(("west", "north"), ("west", "east")))

    def restore(self, source: Any, target: Any) -> bool:
        self.network.did.append(f"restore {source.name} {getattr(target, 'name', target)}")
        return True

    def remove_cluster(self, lab: Lab, cluster: Any) -> None:
        assert lab.paths.joined.exists(), "the record goes last: a killed command continues"
        self.network.did.append(f"delete {cluster.name}")


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()

    class Kube:
        def version(self) -> str:
            if not made.answers:
                raise KubeError("no answer", where="north")
            return "v1"

    def ask(lab: Lab, name: str, upstream: str, *_: Any, **__: Any) -> FrontendAnswers:
        assert upstream == "podinfo"
        assert name != "north"
        still = made.busy > 0 and name == "west"
        made.busy -= still
        by_cluster = {"north": 3, "west": 9} if still else {"west": 12}
        found = FrontendAnswers(cluster=name, upstream=upstream, requests=12, by_cluster=by_cluster)
        return found if made.reached else replace(found, by_cluster={}, reached=False)

    def run(steps: list[Step], **_: Any) -> None:
        runner.check(steps)
        assert not [step.name for step in steps if step.cluster == "north" or step.name.endswith("-to-north")]
        made.did.append("plan of the rest")

    monkeypatch.setattr(joining.stacks, "mesh", made.mesh)
    monkeypatch.setattr(joining, "provider", lambda: Provider(made))
    monkeypatch.setattr(joining, "connect", lambda cluster, timeout_s: Kube())
    monkeypatch.setattr(joining.answers, "ask", ask)
    monkeypatch.setattr(joining.runner, "run", run)
    monkeypatch.setattr(wait, "rest", lambda why, _: made.did.append(f"wait: {why}"))
    monkeypatch.setattr(wait, "pause", lambda _: None)
    return made


def test_requests_go_elsewhere_before_a_cluster_is_deleted(tmp_path: Path, network: Network) -> None:
    lab = with_north(tmp_path)
    network.ingress_routes = [IngressRoute(service="podinfo", source="north", name="n", carrier=None, entrance=None)]  # type: ignore[arg-type]
    lines = list(joining.leave(lab, "north"))
    assert network.did == [
        "remove_ingress_route podinfo north",
        "forget north",
        "wait: requests under way to north end",
        "restore west north",
        "delete north",
        "plan of the rest",
    ]
    assert "north: cluster deleted" in lines
    assert not lab.paths.joined.exists()


def test_a_cluster_is_not_deleted_while_it_answers_requests(
    tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, network.busy = with_north(tmp_path), 10_000
    monkeypatch.setattr(joining, "_DRAINED_S", 0.1)
    with pytest.raises(WaitTimeout, match="north answers 3 of west's requests") as raised:
        list(joining.leave(lab, "north"))
    assert "delete north" not in network.did
    assert raised.value.next == "lab cluster remove north"
    network.busy = 2
    monkeypatch.setattr(joining, "_DRAINED_S", 30)
    list(joining.leave(lab, "north"))
    assert "delete north" in network.did


def test_splits_keep_the_weights_of_the_others(tmp_path: Path, network: Network) -> None:
    weights = {"podinfo": 34, "podinfo-east": 33, "podinfo-north": 20, "podinfo-direct-north": 13}
    network.splits = [
        Split(cluster="west", service="podinfo", weights=weights),
        Split(cluster="east", service="podinfo", weights={"podinfo": 0, "podinfo-north": 100}),
        Split(cluster="east", service="cart", weights={"cart": 1, "cart-west": 1}),
    ]
    lines = list(joining.leave(with_north(tmp_path), "north"))
    assert network.did[:4] == [
        "split west podinfo {'podinfo': 34, 'podinfo-east': 33}",
        "unsplit east podinfo",
        "wait: the proxies use the new routes",
        "forget north",
    ]
    assert lines[:2] == ["west: podinfo → podinfo 34, podinfo-east 33", "east: split of podinfo removed"]


def test_a_failover_to_the_cluster_is_removed(tmp_path: Path, network: Network) -> None:
    gone = Failover(cluster="west", service="podinfo", primary="west", backup="north")
    network.failovers = [gone, replace(gone, service="cart", backup="east")]
    list(joining.leave(with_north(tmp_path), "north"))
    assert network.did[0] == "unfail_over west podinfo"
    assert not [line for line in network.did if "cart" in line]


def test_a_failover_keeps_the_others_and_is_removed_only_if_they_cannot_be_one(
    tmp_path: Path, network: Network
) -> None:
    network.failovers = [
        Failover(cluster="west", service="podinfo", primary="west", backup="north", further=("east",)),
    ]
    lines = list(joining.leave(with_north(tmp_path), "north"))
    assert [line.partition(" ")[0] for line in network.did[:2]] == ["fail_over", "wait:"], "never without a failover"
    assert lines[0] == "west: podinfo → west, then east"
    network.did.clear()
    network.refuses = "they are in one region"
    lines = list(joining.leave(with_north(tmp_path), "north"))
    assert network.did[0] == "unfail_over west podinfo"
    assert lines[0].endswith("removed, because without north it cannot be: they are in one region")


def test_a_cluster_is_not_deleted_while_no_frontend_answers(
    tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "_DRAINED_S", 0.1)
    network.reached = False
    with pytest.raises(WaitTimeout, match="no frontend answers"):
        list(joining.leave(with_north(tmp_path), "north"))
    assert "delete north" not in network.did


@pytest.mark.parametrize(("status", "answers"), [(NodeStatus.STOPPED, True), (NodeStatus.RUNNING, False)])
def test_a_cluster_that_does_not_answer_leaves_without_being_asked(
    tmp_path: Path, network: Network, status: NodeStatus, answers: bool
) -> None:
    network.status, network.answers = status, answers
    network.splits = [Split(cluster="west", service="podinfo", weights={"podinfo": 1, "podinfo-north": 1})]
    list(joining.leave(with_north(tmp_path), "north"))
    assert network.did == [
        "split west podinfo {'podinfo': 1}",
        "wait: the proxies use the new routes",
        "forget north",
        "restore west north",
        "delete north",
        "plan of the rest",
    ]
    assert network.known[0] == ("east", "west"), "a split is written for the clusters that answer"


def test_its_keys_are_deleted_and_no_others(tmp_path: Path, network: Network) -> None:
    lab = with_north(tmp_path, 'stack = "istio"\n[clusters.far-north]\n')
    kept = (
        "pki/issuer-far-north.key",
        f"rendered/istio-far-north-{'0' * 16}.json",
        f"rendered/istio-west-{'0' * 16}.json",
    )
    gone = ("pki/issuer-north.key", "pki/issuer-north.crt", f"rendered/istio-north-{'0' * 16}.json")
    for name in (*kept, *gone):
        (lab.paths.state / name).parent.mkdir(exist_ok=True)
        (lab.paths.state / name).write_text("{}")
    list(joining.leave(lab, "north"))
    assert [name for name in (*kept, *gone) if (lab.paths.state / name).exists()] == list(kept)


def test_a_cluster_of_lab_toml_cannot_leave(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only clusters that joined by `lab cluster add` can leave") as raised:
        joining.refuse_of_file(lab_of(tmp_path), "east")
    assert raised.value.next is not None
    assert "lab split" in raised.value.next


def test_the_record_keeps_the_others(tmp_path: Path, network: Network) -> None:
    lab = joining.prepared(with_north(tmp_path), "south", ingress_port=9998)
    joining.record(lab)
    list(joining.leave(lab, "north"))
    assert list(joined.read(lab.paths.joined)) == ["south"]


def test_reset_starts_nodes_and_undoes_cuts_before_clusters_leave(
    tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster that is stopped or cut off cannot forget another one."""
    lab, network.status = with_north(tmp_path), NodeStatus.STOPPED
    started: list[str] = []

    class Power(Provider):
        @property
        def power(self) -> Any:
            def start(cluster: Any, *, timeout_s: float) -> None:
                started.append(cluster.name)
                network.status = NodeStatus.RUNNING

            return SimpleNamespace(start=start)

        def state(self, lab: Lab, names: list[str]) -> WireState:
            return WireState(cuts=(("west", "east"), ("west", "172.30.0.9")))

    monkeypatch.setattr(reset, "provider", lambda: Power(network))
    lines = reset.reset(lab, network.mesh(lab))
    assert [next(lines) for _ in range(6)] == [
        "east: node started",
        "west: node started",
        "west: network to east restored",
        "west: network to 172.30.0.9 restored",
        "east, west: links to north and its exports removed",
        "north: cluster deleted",
    ]
    assert sorted(started) == ["east", "west"], "a cluster that leaves is not started"
    assert network.did[:2] == ["restore west east", "restore west 172.30.0.9"]
