"""Ownership of networks and node containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lab.base.paths import Paths
from lab.host.ownership import LabIdentity, read_mark, settle, whose
from lab.tools.docker_records import Container, Network
from lab.tools.kind import CLUSTER_LABEL


def node(of_kind: str, *networks: str) -> Container:
    labels: Mapping[str, str] = {CLUSTER_LABEL: of_kind} if of_kind else {}
    return Container(
        id="c",
        name=f"{of_kind}-control-plane",
        image="node",
        status="running",
        exit_code=0,
        pid=1,
        labels=labels,
        networks=dict.fromkeys(networks),
        ports=(),
        restart_policy="no",
        runtime="runc",
    )


def identity(folder: Path, lab_id: str = "1") -> LabIdentity:
    return LabIdentity(name="eastwest", lab_id=lab_id, paths=Paths(cache=folder, state=folder))


def made(me: LabIdentity, cluster: str = "east") -> None:
    file = me.paths.kind_config(cluster)
    file.parent.mkdir()
    file.touch()


def unmarked(_: str) -> Mapping[str, object]:
    return {}


@pytest.mark.parametrize(
    ("container", "own"),
    [
        (node("eastwest-east", "eastwest"), True),
        (node("eastwest-gone", "eastwest"), True),
        (node("eastwest-east", "kind"), False),
        (node("other-east", "eastwest"), False),
        (node("eastwest", "eastwest"), False),
        (node("", "eastwest"), False),
        (node("eastwest-east"), True),
        (node("eastwest-west"), False),
        (node("other-east"), False),
    ],
)
def test_a_node_is_own_by_name_and_network_or_by_the_configuration_that_made_it(
    container: Container, own: bool, tmp_path: Path, network: Network
) -> None:
    me = identity(tmp_path)
    made(me)
    assert me.owns_node(container, [network], unmarked) is own


def test_a_network_is_own_by_its_id(tmp_path: Path, network: Network) -> None:
    me, other = identity(tmp_path / "mine"), identity(tmp_path / "theirs", "2")
    mine = replace(network, labels=me.labels)
    assert me.owns_network(mine)
    assert not other.owns_network(mine)
    assert not other.owns_node(node("eastwest-east", "eastwest"), [mine], unmarked)
    assert not replace(me, name="other").owns_network(mine)


def test_a_lab_from_before_ids_is_own_where_its_state_folder_made_nodes(tmp_path: Path, network: Network) -> None:
    me, other = identity(tmp_path / "mine"), identity(tmp_path / "theirs", "2")
    me.paths.ensure_state()
    made(me)
    old = replace(network, labels={"eastwest.lab/lab": "eastwest"})
    assert me.owns_network(old)
    assert not other.owns_network(old)


def test_a_node_whose_network_is_gone_is_known_by_its_mark(tmp_path: Path) -> None:
    me, other = identity(tmp_path / "mine"), identity(tmp_path / "theirs", "2")
    left = node("eastwest-east", "eastwest")  # the engine goes on naming a network that was pruned

    def mark_of(_: str) -> Mapping[str, object]:
        return {"lab_id": "1", "home": me.home}

    assert me.owns_node(left, [], mark_of)
    assert not other.owns_node(left, [], mark_of)


def test_a_lab_that_lost_its_state_folder_is_known_by_its_home(tmp_path: Path, network: Network) -> None:
    me = identity(tmp_path / "mine")
    lost, elsewhere = replace(me, lab_id=""), identity(tmp_path / "theirs", "")
    assert lost.owns_network(replace(network, labels=me.labels))
    assert not elsewhere.owns_network(replace(network, labels=me.labels))
    assert settle(lost, ["1"]).lab_id == "1"
    assert lost.paths.read_lab_id() == "1"
    assert lost.paths.lab_id.stat().st_mode & 0o777 == 0o600


def test_a_new_lab_gets_an_id_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    first, second = (settle(identity(tmp_path / name, ""), []) for name in ("a", "b"))
    assert first.lab_id != second.lab_id
    assert settle(LabIdentity.of("eastwest", first.paths), []).lab_id == first.lab_id


def test_what_a_person_is_told_names_the_user_the_machine_and_the_folder() -> None:
    assert whose("ada@host:/state") == "belongs to the lab of ada@host with the state folder /state"
    assert whose("") == "is not this lab's"


@pytest.mark.parametrize("text", [None, "", "no json", "[]"])
def test_a_mark_that_cannot_be_read_says_nothing(text: str | None) -> None:
    assert read_mark(text) == {}
