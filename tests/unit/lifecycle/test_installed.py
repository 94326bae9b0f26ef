"""Whether what `lab up` has installed is there, ready and has endpoints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.kube import Kube
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.lifecycle import installed
from lab.stacks import STACKS
from tests.unit.fake_api import FakeApi, kube, put

STACK = STACKS["istio"]
READY = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "observedGeneration": 9}


def workload(name: str, *, namespace: str = "test", replicas: int = 1, **status: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}},
        "status": {**READY, **status},
    }


def service(name: str) -> Obj:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "test"}, "spec": {}}


def endpoints(name: str, *, ready: bool) -> Obj:
    labels = {"kubernetes.io/service-name": name}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "test", "labels": labels},
        "endpoints": [{"conditions": {"ready": ready}, "addresses": ["10.10.0.1"]}],
    }


@pytest.fixture
def west(lab: Lab, apis: dict[str, FakeApi]) -> Kube:
    """A cluster where all components are installed, podinfo with a Deployment and a Service."""
    api = kube(apis["west"], "west")
    names = {part.component.name for part in STACK.components(lab).values()} | {"access-of-east", "link-to-east"}
    for name in names - {"dns"}:
        objects = [workload(name), service(name)] if name == "podinfo" else []
        entries = [
            {
                "api_version": obj["apiVersion"],
                "kind": obj["kind"],
                "name": name,
                "namespace": "test",
                "generation": 1,
            }
            for obj in objects
        ]
        data = {"digest": "ab", "objects": json.dumps(entries)}
        metadata = {"name": name, "namespace": "eastwest-lab"}
        put(api, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
        for obj in objects:
            put(api, obj)
    put(api, endpoints("podinfo", ready=True))
    put(api, workload("coredns", namespace="kube-system"))
    return api


def test_a_lab_that_stands_has_no_problem(lab: Lab, west: Kube) -> None:
    assert installed.problems(lab, STACK, west) == []


def test_a_deployment_that_was_deleted_is_missing(lab: Lab, west: Kube, apis: dict[str, FakeApi]) -> None:
    del apis["west"].objects["/apis/apps/v1/namespaces/test/deployments/podinfo"]
    assert installed.problems(lab, STACK, west) == ["west: Deployment test/podinfo is missing"]


def test_a_deployment_without_pods_was_scaled(lab: Lab, west: Kube) -> None:
    put(west, workload("podinfo", replicas=0))
    assert installed.problems(lab, STACK, west) == ["west: Deployment test/podinfo is scaled to 0 pods"]


def test_a_deployment_that_was_applied_without_pods_is_as_wanted(
    lab: Lab, west: Kube, apis: dict[str, FakeApi]
) -> None:
    deployment = apis["west"].objects["/apis/apps/v1/namespaces/test/deployments/podinfo"]
    deployment["spec"]["replicas"] = 0  # of the generation that the inventory has
    put(west, endpoints("podinfo", ready=False))
    assert installed.problems(lab, STACK, west) == []


def test_a_deployment_that_is_not_ready_has_the_reason_of_its_pod(
    lab: Lab, west: Kube, apis: dict[str, FakeApi]
) -> None:
    apis["west"].objects["/apis/apps/v1/namespaces/test/deployments/podinfo"]["status"]["availableReplicas"] = 0
    waiting = {"name": "podinfo", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    pod = {"metadata": {"name": "podinfo-1", "namespace": "test", "labels": {"app": "podinfo"}}}
    put(west, {"apiVersion": "v1", "kind": "Pod", **pod, "status": {"containerStatuses": [waiting]}})
    assert installed.problems(lab, STACK, west) == [
        "west: Deployment test/podinfo 0/1 Available (pod podinfo-1, container podinfo: ImagePullBackOff)"
    ]


def test_a_service_without_ready_endpoints_is_named(lab: Lab, west: Kube) -> None:
    put(west, endpoints("podinfo", ready=False))
    assert installed.problems(lab, STACK, west) == ["west: Service test/podinfo has no ready endpoints"]


def test_a_component_that_was_never_or_only_half_applied_is_named(
    lab: Lab, west: Kube, apis: dict[str, FakeApi]
) -> None:
    config_maps = "/api/v1/namespaces/eastwest-lab/configmaps"
    del apis["west"].objects[f"{config_maps}/link-to-east"]
    apis["west"].objects[f"{config_maps}/istio"]["data"]["digest"] = "applying"
    assert installed.problems(lab, STACK, west) == [
        "west: link-to-east is not installed",
        "west: istio is only half installed",
    ]
