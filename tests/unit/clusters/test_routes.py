"""How far nodes send what is meant for another cluster's pods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from lab.base.process import Completed
from lab.base.step import CHANGED, UNCHANGED
from lab.clusters.kind import routes
from lab.lab import Lab


@dataclass
class Nodes:
    """Nodes whose routing tables are lists of lines."""

    tables: dict[str, list[str]] = field(default_factory=dict)

    def execute(self, node: str, argv: Sequence[str]) -> Completed:
        table = self.tables.setdefault(node, ["default via 172.30.0.1 dev eth0", "10.11.0.0/24 dev cni0"])
        if argv[:3] == ["ip", "route", "replace"]:
            table.append(" ".join(argv[3:]) + " dev eth0")
        return Completed(argv=tuple(argv), returncode=0, stdout="\n".join(table), stderr="", duration_s=0)


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    made = Nodes()
    monkeypatch.setattr(routes, "Docker", lambda: made)
    monkeypatch.setattr(routes, "node_address", lambda kube: "172.30.0.9")
    monkeypatch.setattr(routes, "connect", lambda cluster: None)
    return made


def test_other_clusters_pods_and_services_are_nowhere(lab: Lab, nodes: Nodes) -> None:
    assert routes.ensure(lab) == CHANGED
    west = nodes.tables[lab.clusters["west"].node]
    assert {"unreachable 10.10.0.0/16 dev eth0", "unreachable 10.110.0.0/16 dev eth0"} <= set(west)
    assert not [line for line in west if "10.11.0.0/16" in line]
    assert routes.ensure(lab) == UNCHANGED


def test_on_a_flat_network_pods_are_behind_their_node(lab: Lab, nodes: Nodes) -> None:
    network = lab.spec.network.model_copy(update={"flat": True})
    flat = replace(lab, spec=lab.spec.model_copy(update={"network": network}))
    routes.ensure(lab)
    assert routes.ensure(flat) == CHANGED
    west = nodes.tables[lab.clusters["west"].node]
    assert "10.10.0.0/16 via 172.30.0.9 dev eth0" in west
    assert "unreachable 10.110.0.0/16 dev eth0" in west
    assert routes.ensure(flat) == UNCHANGED
