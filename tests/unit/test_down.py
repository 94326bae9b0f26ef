"""`lab down` removes what is the lab's, also where the user's own kubeconfig is in the way."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import ClusterError, UsageError
from lab.clusters import kubeconfig
from lab.clusters.provider import OwnedResource
from lab.kube import manifests
from lab.lab import Lab
from lab.lifecycle import down as subject
from lab.lifecycle import lock


class Nodes:
    """Clusters of which one container is left, until they are removed."""

    def __init__(self) -> None:
        self.left: list[OwnedResource] = [OwnedResource(kind="container", name="dev-east-control-plane")]
        self.stays = False
        self.kept: list[str] = []
        self.abandoned: list[str] = []
        self.theirs = ""

    def foreign(self, lab: Lab) -> str:
        return self.theirs

    def owned(self, lab: Lab) -> Sequence[OwnedResource]:
        return list(self.left)

    def remove(self, lab: Lab) -> list[str]:
        if not self.stays:
            self.left.clear()
        return self.kept

    def abandon(self, lab: Lab, cluster: str) -> None:
        self.abandoned.append(cluster)


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch, lab: Lab) -> Nodes:
    made = Nodes()
    monkeypatch.setattr(subject, "provider", lambda: made)
    lab.paths.write_lab_id("1")
    return made


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    file = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


@pytest.mark.parametrize("content", [b"clusters: [\n :::", "a: b".encode("utf-16"), b"hello"])
def test_a_broken_kubeconfig_is_a_warning_and_everything_else_is_removed(
    lab: Lab, nodes: Nodes, mine: Path, content: bytes
) -> None:
    mine.write_bytes(content)
    said: list[str] = []
    gone = subject.down(lab, warn=said.append)
    assert [item.kind for item in gone] == ["container", "folder"]
    assert nodes.left == []
    assert not lab.paths.state.exists()
    assert mine.read_bytes() == content
    assert len(said) == 1
    assert str(mine) in said[0]


def test_contexts_in_a_read_only_kubeconfig_stay_and_are_not_said_to_be_removed(
    lab: Lab, nodes: Nodes, mine: Path
) -> None:
    one = {"clusters": [{"name": "k", "cluster": {}}], "contexts": [{"name": "k", "context": {}}]}
    kubeconfig.adopt(
        lab.paths.kubeconfig, name="east", from_kind=manifests.dump({**one, "users": [{"name": "k", "user": {}}]})
    )
    kubeconfig.merge(lab)
    mine.chmod(0o400)
    said: list[str] = []
    assert [item.kind for item in subject.owned(lab, warn=said.append)] == ["container", "context", "folder"]
    assert [item.kind for item in subject.down(lab, warn=said.append)] == ["container", "folder"]
    assert len(said) == 1
    assert "read-only" in said[0]


def test_the_state_stays_while_a_container_does(lab: Lab, nodes: Nodes, mine: Path) -> None:
    nodes.stays = True
    lab.paths.kubeconfig.write_text("keys")
    with pytest.raises(ClusterError, match="still there after the removal: container dev-east-control-plane"):
        subject.down(lab, warn=print)
    assert lab.paths.kubeconfig.read_text() == "keys"


THEIRS = "the Docker network 'dev' belongs to the lab of ada@host with the state folder /ada"


def test_another_labs_clusters_stay_and_this_labs_folder_is_removed_as_planned(
    lab: Lab, nodes: Nodes, mine: Path
) -> None:
    nodes.left, nodes.theirs = [], THEIRS
    said: list[str] = []
    planned = subject.owned(lab, warn=said.append)
    assert [item.kind for item in planned] == ["folder"]
    assert subject.down(lab, warn=said.append) == planned
    assert said == [f"{THEIRS}, and stays"] * 2
    assert not lab.paths.state.exists()


@pytest.mark.parametrize("command", [subject.owned, subject.down])
def test_the_plan_and_the_command_refuse_where_all_belongs_to_another_lab(
    lab: Lab, nodes: Nodes, mine: Path, command: Callable[..., object]
) -> None:
    lab.paths.lab_id.unlink()
    nodes.left, nodes.theirs = [], THEIRS
    with lock.held(lab.paths, "lab down"), pytest.raises(ClusterError, match="state folder /ada; nothing was removed"):
        command(lab, warn=print)
    assert not lab.paths.state.exists()


def test_a_second_down_removes_nothing_and_leaves_nothing(lab: Lab, nodes: Nodes, mine: Path) -> None:
    with lock.held(lab.paths, "lab down"):
        assert [item.kind for item in subject.down(lab, warn=print)] == ["container", "folder"]
    assert not lab.paths.state.exists()
    with lock.held(lab.paths, "lab down"):
        assert subject.down(lab, warn=print) == []
    assert not lab.paths.state.exists()


def test_what_stays_in_an_existing_cluster_is_a_warning(lab: Lab, nodes: Nodes, mine: Path) -> None:
    nodes.kept, said = ["east: a CRD stays: others use it"], list[str]()
    subject.down(lab, warn=said.append)
    assert said == nodes.kept


def test_only_an_existing_cluster_of_the_lab_is_left(lab: Lab, nodes: Nodes) -> None:
    with pytest.raises(UsageError, match="the lab is in no existing cluster 'east'"):
        subject.leave(lab, "east")
    entries: dict[str, Any] = {kind: {"name": "x"} for kind in ("clusters", "contexts", "users")}
    kubeconfig.put(lab.paths.kubeconfig, name="east", entries=entries, existing="gke")
    with pytest.raises(UsageError) as refused:
        subject.leave(lab, "west")
    assert refused.value.next == "one of: east"
    subject.leave(lab, "east")
    assert nodes.abandoned == ["east"]
