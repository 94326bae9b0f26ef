"""What the other clusters know of a cluster is deleted without a request to that cluster, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.components import inventory
from lab.config import joined
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.mesh.names import ServicePort
from lab.stacks import STACKS
from lab.stacks.istio import export
from lab.stacks.linkerd import multicluster
from tests.unit.fake_api import FakeApi, kube, put

PORTS = (ServicePort(name="http", number=9898, protocol="http"),)


@pytest.fixture
def three(lab: Lab, apis: dict[str, FakeApi]) -> Lab:
    """The lab with north, whose API server does not exist: a request to it would be a KeyError."""
    assert set(apis) == {"east", "west"}
    table = joined.table(lab.spec, "north", region=None, ingress_port=None, is_free=lambda _: True)
    return replace(lab, spec=joined.extended(lab.spec, {"north": table}))


def install(lab: Lab, api: FakeApi, cluster: str, component: str) -> None:
    """Apply a Secret as a component, with its inventory."""
    there = kube(api, cluster)
    secret: Obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": component, "namespace": "mesh"}}
    applied = lab.owned(there, component).apply_all([secret])
    inventory.finish(lab, there, component, "digest", applied, old=None)


def names(apis: dict[str, FakeApi]) -> set[tuple[str, str]]:
    return {(name, path.rpartition("/")[2]) for name, api in apis.items() for path in api.objects}


def test_on_istio(three: Lab, apis: dict[str, FakeApi]) -> None:
    west = three.clusters["west"]
    for source in ("east", "north"):
        export.owned(three, west).apply_all(export.mirror_objects("podinfo", source, PORTS))
    for component in ("link-to-north", "access-of-north", "link-to-east", "access-of-east"):
        install(three, apis["west"], "west", component)
    STACKS["istio"].mesh(three).forget("north")
    left = names(apis)
    assert {("west", "podinfo-east"), ("west", "link-to-east"), ("west", "access-of-east")} <= left
    assert not [name for _, name in left if name.endswith("-north")]
    STACKS["istio"].mesh(three).forget("north")
    assert names(apis) == left


def test_on_linkerd(three: Lab, apis: dict[str, FakeApi]) -> None:
    for target in ("east", "north"):
        labels = {multicluster.TARGET_LABEL: target, multicluster.MIRRORED_LABEL: "true"}
        metadata = {"name": f"podinfo-{target}", "namespace": "test", "labels": labels}
        put(kube(apis["west"]), {"apiVersion": "v1", "kind": "Service", "metadata": metadata})
        install(three, apis["west"], "west", f"link-to-{target}")
    STACKS["linkerd"].mesh(three).forget("north")
    left = names(apis)
    assert {("west", "podinfo-east"), ("west", "link-to-east")} <= left
    assert not [name for _, name in left if name.endswith("-north")]
