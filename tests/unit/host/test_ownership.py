"""Whose a node is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.base.paths import Paths
from lab.host.ownership import is_own_node, own_networks
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
    paths = Paths(cache=tmp_path, state=tmp_path)
    made = paths.kind_config("east")
    made.parent.mkdir()
    made.touch()
    networks = own_networks("eastwest", [network])
    assert is_own_node(container, lab_name="eastwest", networks=networks, paths=paths) is own


def test_a_network_without_the_labs_label_is_not_its_own(network: Network) -> None:
    assert own_networks("eastwest", [network]) == {"eastwest"}
    assert own_networks("other", [network]) == frozenset()
