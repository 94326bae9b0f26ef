"""`lab status` asks each cluster the same number of questions, however many clusters the lab has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from lab import config, stacks
from lab.base.names import Cluster
from lab.clusters import Node, NodeStatus
from lab.clusters.kind.provider import KindProvider
from lab.clusters.kind.wire import KindWire
from lab.kube import Kube
from lab.lab import Lab
from lab.lifecycle import artifacts, changes, status
from lab.lifecycle.answers import FrontendAnswers
from lab.stacks import STACKS
from lab.stacks.linkerd import link, multicluster
from tests.unit.clusters.conftest import FakeDocker, completed, container
from tests.unit.fake_api import FakeApi, kube, put

NAMES = ("east", "west", "north", "south", "alps", "bay")


class CountingDocker(FakeDocker):
    """Counts the commands, each of which is a process."""

    def __init__(self) -> None:
        super().__init__()
        self.ran = Counter[str]()

    def __getattribute__(self, name: str) -> Any:
        if name in {"containers", "container", "networks", "network", "read_file"}:
            object.__getattribute__(self, "ran")[name] += 1
        return object.__getattribute__(self, name)

    def execute(self, name: str, argv: Any, **_: Any) -> Any:
        self.ran["execute"] += 1
        return completed(argv, "")


def measured(
    lab: Lab, stack: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[Mapping[str, int], Counter[str]]:
    """Return the requests to each API server, and the processes, of one status of a lab of so many clusters."""
    exports = ", ".join(f'"{name}"' for name in NAMES[:count])
    tables = "".join(f"[clusters.{name}]\n" for name in NAMES[2:count])
    spec = config.parse(f'name = "dev"\nstack = "{stack}"\n{tables}[exports]\npodinfo = [{exports}]\n')
    big = replace(lab, spec=spec)
    apis = {name: FakeApi() for name in big.clusters}
    kubes: dict[str, Kube] = {}
    docker = CountingDocker()
    programs = Counter[str]()
    for name, cluster in big.clusters.items():
        docker.nodes[cluster.node] = container(cluster.node)
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": cluster.node}}
        put(kube(apis[name], name), node)
        addresses = {"addresses": [{"type": "InternalIP", "address": "172.30.0.2"}]}
        apis[name].objects[f"/api/v1/nodes/{cluster.node}"]["status"] = addresses
        for other in big.clusters:
            metadata = {"name": other, "namespace": multicluster.NAMESPACE}
            spec_of_link = {"targetClusterName": other}
            of_link = {"apiVersion": multicluster.LINK_API, "kind": "Link", "metadata": metadata, "spec": spec_of_link}
            if stack == "linkerd" and other != name:
                put(kube(apis[name], name), of_link)
        apis[name].asked.clear()

    def cached(cluster: Cluster, _timeout_s: float, _written_ns: int) -> Kube:
        return kubes.setdefault(cluster.name, Kube(cluster, apis[cluster.name]))

    def reports(_: Lab, cluster: Cluster) -> Mapping[str, Any]:
        programs[f"linkerd in {cluster.name}"] += 1
        return {}

    class Provider(KindProvider):
        wire = KindWire(docker)  # type: ignore[assignment, arg-type]

        def look(self, lab: Lab) -> dict[str, Node]:
            return {name: Node(name=c.node, status=NodeStatus.RUNNING) for name, c in lab.clusters.items()}

    monkeypatch.setattr("lab.kube.connections._cached", cached)
    monkeypatch.setattr(link, "_mirror_reports", reports)
    for module in (status, changes, link):
        monkeypatch.setattr(module, "provider", lambda: Provider(docker))  # type: ignore[arg-type]
    asked = FrontendAnswers(cluster="east", upstream="podinfo", requests=12)
    monkeypatch.setattr(status.answers, "ask", lambda *_, **__: asked)
    monkeypatch.setattr(artifacts, "used", lambda *_: [])
    monkeypatch.setattr(stacks, "current", lambda _: STACKS[stack])
    status.gather(big)
    return {name: len(api.asked) for name, api in apis.items()}, docker.ran + programs


@pytest.mark.parametrize("stack", STACKS)
def test_each_cluster_is_asked_as_often_in_a_large_lab_as_in_a_small_one(
    lab: Lab, stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, few = measured(lab, stack, 2, monkeypatch)
    large, many = measured(lab, stack, 6, monkeypatch)
    assert max(large.values()) <= max(small.values())
    assert sum(many.values()) <= sum(few.values()) * 3, (few, many)
    assert many["execute"] <= 6 * (few["execute"] // 2)
