"""How far nodes send what is meant for another cluster's pods."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

import pytest

from lab.base.process import Completed
from lab.base.step import CHANGED, UNCHANGED
from lab.clusters.kind import routes
from lab.clusters.kind.distance import delay_line
from lab.clusters.kind.wire import KindWire
from lab.clusters.provider import WireState
from lab.config import joined
from lab.lab import Lab
from lab.tools.docker_records import Container

FILE = "/etc/eastwest-lab-routes"
RULE = "-A FORWARD -d 10.111.0.0/16 -j REJECT --reject-with icmp-port-unreachable"


def container(name: str, address: str | None) -> Container:
    return Container(
        id=name, name=name, image="", status="running", exit_code=0, pid=1, labels={}, ports=(), restart_policy="",
        runtime="", networks={"dev": IPv4Address(address) if address else None},
    )  # fmt: skip


@dataclass
class Nodes:
    """Nodes with a routing table, and a file of routes that a restart reads, each as lines."""

    tables: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def containers(self, labels: Mapping[str, str | None] | None = None, names: Sequence[str] = ()) -> list[Container]:
        if labels is not None:
            assert list(labels) == [delay_line.LABEL]
            return []
        ends = {"east": "172.30.0.2", "west": None}  # West's node is stopped
        return [container(name, ends[name.split("-")[-3]]) for name in names]

    def execute(
        self,
        node: str,
        argv: Sequence[str],
        *,
        input: str | None = None,  # noqa: A002
        timeout_s: float = 60,
    ) -> Completed:
        del timeout_s
        self.asked.append(node)
        table = self.tables.setdefault(node, ["default via 172.30.0.1 dev eth0", "10.11.0.0/24 dev cni0"])
        assert argv[:2] == ["sh", "-c"]
        if input is not None:
            assert FILE in argv[2]
            for network in re.findall(r"^ip route flush exact (\S+)$", argv[2], re.MULTILINE):
                table[:] = [line for line in table if f" {network} " not in f" {line} "]
            self.files[node] = input.splitlines()
            self._read_file(node)
        lines = [*table, *self.files.get(node, ())]
        return Completed(argv=tuple(argv), returncode=0, stdout="\n".join(lines), stderr="", duration_s=0)

    def restart(self, node: str) -> None:
        self.tables[node] = ["default via 172.30.0.1 dev eth0"]
        self._read_file(node)

    def _read_file(self, node: str) -> None:
        for line in self.files[node]:
            _, is_rule, rule = line.partition(" || iptables -w ")
            self.tables[node].append(rule if is_rule else f"{line.removeprefix('ip route replace ')} dev eth0")


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    made = Nodes()
    monkeypatch.setattr(routes, "node_address", lambda kube: "172.30.0.9")
    monkeypatch.setattr(routes, "connect", lambda cluster: None)
    return made


def test_other_clusters_pods_and_services_are_nowhere(lab: Lab, nodes: Nodes) -> None:
    assert routes.ensure(nodes, lab) == CHANGED
    west = nodes.tables[lab.clusters["west"].node]
    assert {"unreachable 10.10.0.0/16 dev eth0", "unreachable 10.110.0.0/16 dev eth0"} <= set(west)
    # An answer to a pod of its own that is gone stays in the node.
    assert "unreachable 10.11.0.0/16 dev eth0" in west
    # A pod's request to a port that a Service of its own cluster does not have is rejected.
    assert west[-1] == RULE
    nodes.asked.clear()
    assert routes.ensure(nodes, lab) == UNCHANGED
    assert sorted(nodes.asked) == sorted(cluster.node for cluster in lab.clusters.values())


def test_on_a_flat_network_pods_are_behind_their_node(lab: Lab, nodes: Nodes) -> None:
    network = lab.spec.network.model_copy(update={"flat": True})
    flat = replace(lab, spec=lab.spec.model_copy(update={"network": network}))
    routes.ensure(nodes, lab)
    assert routes.ensure(nodes, flat) == CHANGED
    west = nodes.tables[lab.clusters["west"].node]
    assert "10.10.0.0/16 via 172.30.0.9 dev eth0" in west
    assert "unreachable 10.110.0.0/16 dev eth0" in west
    assert routes.ensure(nodes, flat) == UNCHANGED


def test_routes_to_a_cluster_that_has_left_are_removed(lab: Lab, nodes: Nodes) -> None:
    table = joined.table(lab.spec, "north", region=None, ingress_port=None, is_free=lambda _: True)
    three = replace(lab, spec=joined.extended(lab.spec, {"north": table}))
    routes.ensure(nodes, three)
    west = lab.clusters["west"].node
    assert "unreachable 10.12.0.0/16 dev eth0" in nodes.tables[west]
    assert routes.ensure(nodes, lab) == CHANGED
    assert not [line for line in (*nodes.tables[west], *nodes.files[west]) if "10.12." in line or "10.112." in line]
    assert "unreachable 10.10.0.0/16 dev eth0" in nodes.tables[west]
    assert routes.ensure(nodes, lab) == UNCHANGED


def test_a_node_that_starts_again_has_its_routes(lab: Lab, nodes: Nodes) -> None:
    routes.ensure(nodes, lab)
    node = lab.clusters["west"].node
    nodes.restart(node)
    assert routes.missing(routes.wanted_everywhere(lab)["west"], nodes.tables[node]) == []


def test_routes_without_the_file_that_outlives_a_restart_are_written_again(lab: Lab, nodes: Nodes) -> None:
    routes.ensure(nodes, lab)
    nodes.files.pop(lab.clusters["west"].node)
    assert routes.ensure(nodes, lab) == CHANGED
    assert nodes.files[lab.clusters["west"].node]


def test_missing_routes_are_named(lab: Lab) -> None:
    wanted = routes.wanted_everywhere(lab)["west"]
    # A longer prefix of the same digits is another route, and the file's lines are no routes.
    lines = ["ip route replace unreachable 10.110.0.0/16", f"iptables -w -C {RULE[3:]} || iptables -w -A {RULE[3:]}"]
    has = ["unreachable 10.10.0.0/16", "unreachable 10.11.0.0/16", "unreachable 10.110.0.0/160", RULE, *lines]
    assert routes.missing(wanted, has) == ["unreachable 10.110.0.0/16"]


def test_the_wire_says_which_routes_are_missing_and_what_is_cut(lab: Lab, nodes: Nodes) -> None:
    routes.ensure(nodes, lab)  # type: ignore[arg-type]
    wire = KindWire(nodes)  # type: ignore[arg-type]
    assert wire.state(lab, list(lab.clusters)) == WireState()
    nodes.tables[lab.clusters["west"].node] = [
        *(RULE, "unreachable 10.11.0.0/16", "unreachable 10.110.0.0/16"),
        *("-P POSTROUTING ACCEPT", "-A POSTROUTING -d 172.30.0.2/32 -j DROP"),
        "-A POSTROUTING -d 172.30.0.9/32 -j DROP",
        # Another table's rule, and one for a part of the packets, cut nothing.
        *("-A FORWARD -d 172.30.0.4/32 -j DROP", "-A POSTROUTING -d 172.30.0.4/32 -p tcp -j DROP"),
    ]
    assert wire.state(lab, list(lab.clusters)) == WireState(
        missing_routes={"west": ("unreachable 10.10.0.0/16",)}, cuts=(("west", "east"), ("west", "172.30.0.9"))
    )


def test_the_wires_state_takes_one_command_for_each_node(lab: Lab, nodes: Nodes) -> None:
    KindWire(nodes).state(lab, list(lab.clusters))  # type: ignore[arg-type]
    assert sorted(nodes.asked) == sorted(cluster.node for cluster in lab.clusters.values())
