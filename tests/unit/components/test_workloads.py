from __future__ import annotations

from typing import Any

from lab.components import workloads
from lab.lab import Lab
from tests.unit.fake_api import FakeApi, kube, put


def pod(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "test", **metadata}}


def test_only_pods_that_left_a_workload_of_the_lab_are_deleted(lab: Lab) -> None:
    api = kube(FakeApi())
    for name, labels in (("podinfo", lab.owner("podinfo").labels), ("shop", {})):
        metadata = {"name": name, "namespace": "test", "labels": labels}
        put(api, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata})
        of_set: dict[str, Any] = {"generateName": f"{name}-5d4-", "labels": {"pod-template-hash": "5d4"}}
        put(api, pod(f"{name}-5d4-stray", **of_set))
        put(api, pod(f"{name}-5d4-owned", **of_set, ownerReferences=[{"kind": "ReplicaSet"}]))
    put(api, pod("debug", labels={"run": "debug"}))
    assert [gone.name for gone in workloads.delete_strays(api)] == ["podinfo-5d4-stray"]
    left = {obj["metadata"]["name"] for obj in api.find("v1", "Pod")}
    assert left == {"podinfo-5d4-owned", "shop-5d4-stray", "shop-5d4-owned", "debug"}
