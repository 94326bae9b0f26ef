"""Whether what `lab up` has installed is there, ready and has endpoints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.kube import Kube, KubeError
from lab.kube.objects import Obj, ref
from lab.kube.writes import Verb
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


def record(api: Kube, component: str, objects: list[Obj], *, digest: str = "ab") -> None:
    """Write an inventory."""
    entries = [
        {
            "api_version": obj["apiVersion"],
            "kind": obj["kind"],
            "name": obj["metadata"]["name"],
            "namespace": obj["metadata"].get("namespace", ""),
            "generation": 1,
        }
        for obj in objects
    ]
    data = {"digest": digest, "objects": json.dumps(entries)}
    metadata = {"name": component, "namespace": "eastwest-lab"}
    put(api, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def named(api_version: str, kind: str, name: str, namespace: str = "") -> Obj:
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **place}}


GATEWAY_API, CRDS = "gateway.networking.k8s.io/v1", "apiextensions.k8s.io/v1"
ROUTE = named(GATEWAY_API, "HTTPRoute", "frontend", "test")
SECRET = named("v1", "Secret", "oauth2-proxy", "auth")
CRD = named(CRDS, "CustomResourceDefinition", "scaledobjects.keda.sh")
SCALED = named("keda.sh/v1alpha1", "ScaledObject", "podinfo", "test")


@pytest.mark.parametrize("gone", [ROUTE, SECRET, CRD, SCALED])
def test_each_recorded_object_that_was_deleted_is_named(lab: Lab, west: Kube, gone: Obj) -> None:
    objects = [ROUTE, SECRET, CRD, SCALED]
    record(west, "profile-all", objects)
    for obj in objects:
        put(west, obj)
    assert installed.problems(lab, STACK, west) == []
    west.write(Verb.DELETE, ref(gone), body={})
    assert installed.problems(lab, STACK, west) == [f"west: {ref(gone)} is missing"]


def test_an_object_that_is_being_deleted_counts_as_missing(lab: Lab, west: Kube) -> None:
    record(west, "profile-all", [CRD])
    put(west, {**CRD, "metadata": {**CRD["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    assert installed.problems(lab, STACK, west) == [f"west: {ref(CRD)} is missing"]


def test_an_object_is_not_named_where_its_namespace_or_its_kind_is(lab: Lab, west: Kube) -> None:
    record(west, "profile-all", [CRD, SCALED, named("v1", "Namespace", "auth"), SECRET])
    assert sorted(installed.problems(lab, STACK, west)) == [
        "west: CustomResourceDefinition scaledobjects.keda.sh is missing",
        "west: Namespace auth is missing",
    ]


def test_of_many_objects_some_are_named(lab: Lab, west: Kube) -> None:
    record(west, "profile-all", [named("v1", "ConfigMap", f"c{number}", "auth") for number in range(9)])
    problems = installed.problems(lab, STACK, west)
    assert problems[-2:] == ["west: ConfigMap auth/c4 is missing", "west: 4 more objects of profile-all are missing"]


def test_a_component_that_is_half_installed_may_lack_objects(lab: Lab, west: Kube) -> None:
    record(west, "istio", [ROUTE], digest="applying")
    assert installed.problems(lab, STACK, west) == ["west: istio is only half installed"]


def test_one_request_lists_all_objects_of_a_kind(lab: Lab, west: Kube, apis: dict[str, FakeApi]) -> None:
    routes = [named(GATEWAY_API, "HTTPRoute", f"r{number}", "test") for number in range(20)]
    record(west, "profile-a", routes[:10])
    record(west, "profile-b", routes[10:])
    for obj in routes:
        put(west, obj)
    apis["west"].asked.clear()
    assert installed.problems(lab, STACK, west) == []
    asked = [path for _, path in apis["west"].asked if "httproute" in path]
    assert asked == [f"/apis/{GATEWAY_API}/httproutes"]


def test_a_kind_that_cannot_be_listed_hides_no_other_problem(
    lab: Lab, west: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(west, "profile-all", [ROUTE, SECRET])
    find = Kube.find

    def refused(self: Kube, api_version: str, kind: str, **options: Any) -> list[Obj]:
        if kind == "HTTPRoute":
            raise KubeError("conversion webhook failed", where="west", status=500)
        return find(self, api_version, kind, **options)

    monkeypatch.setattr(Kube, "find", refused)
    assert installed.problems(lab, STACK, west) == [
        "west: cannot check objects of the kind HTTPRoute: conversion webhook failed",
        "west: Secret auth/oauth2-proxy is missing",
    ]


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
