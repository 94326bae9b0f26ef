"""`lab down` removes what is the lab's, also where the user's own kubeconfig is in the way."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.base.errors import ClusterError
from lab.clusters import kubeconfig
from lab.clusters.provider import OwnedResource
from lab.kube import manifests
from lab.lab import Lab
from lab.lifecycle import down as subject


class Nodes:
    """Clusters of which one container is left, until they are removed."""

    def __init__(self) -> None:
        self.left: list[OwnedResource] = [OwnedResource(kind="container", name="dev-east-control-plane")]
        self.stays = False
        self.theirs = ""

    def foreign(self, lab: Lab) -> str:
        return self.theirs

    def owned(self, lab: Lab) -> Sequence[OwnedResource]:
        return list(self.left)

    def remove(self, lab: Lab) -> None:
        if not self.stays:
            self.left.clear()


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch, lab: Lab) -> Nodes:
    made = Nodes()
    monkeypatch.setattr(subject, "provider", lambda: made)
    lab.paths.ensure_state()
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


def test_another_labs_clusters_are_named_and_nothing_is_removed(lab: Lab, nodes: Nodes, mine: Path) -> None:
    nodes.left, nodes.theirs = [], "the Docker network 'dev' belongs to the lab of ada@host with the state folder /ada"
    with pytest.raises(ClusterError, match="belongs to the lab of ada@host with the state folder /ada; nothing was"):
        subject.down(lab, warn=print)
    assert lab.paths.state.exists()
