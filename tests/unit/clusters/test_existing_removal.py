"""`lab down` in an existing cluster: all of the lab goes, and nothing of anybody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import ClusterError
from lab.base.names import SCENARIO_LABEL
from lab.clusters.existing import removal
from lab.kube import Kube, KubeError, discovery
from lab.kube.objects import Obj
from lab.lab import Lab
from tests.unit.clusters.existing_kit import lab_of
from tests.unit.fake_api import CLUSTER_WIDE, KINDS, FakeApi, kube, put

_GATEWAY_API = "gateway.networking.k8s.io"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = lab_of(tmp_path)
    made.paths.write_lab_id("1")
    return made


@pytest.fixture
def east(apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    every = [(version, kind, kind not in CLUSTER_WIDE) for version, kinds in KINDS.items() for kind in kinds]
    monkeypatch.setattr(removal, "served", lambda _: every)
    return apis["east"]


def obj(kind: str, name: str, *, namespace: str = "", version: str = "v1", labels: Any = None, **more: Any) -> Obj:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), "labels": labels or {}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def names(api: FakeApi) -> set[str]:
    return {f"{one['kind']} {one['metadata']['name']}" for one in api.objects.values()}


def install(lab: Lab, api: FakeApi) -> None:
    """Put a small lab into a cluster: its namespaces, an object in somebody else's, a CRD, and its mark."""
    labels = lab.owner("part").labels
    for one in (
        obj("Namespace", "eastwest-lab", labels=labels),
        obj("Namespace", "test", labels=labels),
        obj("ConfigMap", "inventory", namespace="eastwest-lab", labels=labels),
        obj("ConfigMap", "reader", namespace="kube-system", labels=labels),
        obj(
            "CustomResourceDefinition",
            f"httproutes.{_GATEWAY_API}",
            version="apiextensions.k8s.io/v1",
            labels=labels,
            spec={"group": _GATEWAY_API, "names": {"kind": "HTTPRoute"}, "versions": [{"name": "v1", "served": True}]},
        ),
        obj("Namespace", "isolation-elsewhere", labels={**_scenario(), SCENARIO_LABEL: "isolation"}),
    ):
        put(kube(api, "east"), one)


def _scenario() -> dict[str, str]:
    return {"app.kubernetes.io/managed-by": "eastwest-lab"}


THEIRS = (
    obj("Namespace", "kube-system"),
    obj("ConfigMap", "settings", namespace="kube-system"),
    obj("ConfigMap", "helms", namespace="shop", labels={"app.kubernetes.io/managed-by": "Helm"}),
    obj(
        "ConfigMap",
        "another-lab",
        namespace="shop",
        labels={**_scenario(), "eastwest.lab/lab-id": "2", "eastwest.lab/component": "x"},
    ),
)


def test_all_of_the_lab_goes_and_nothing_else(lab: Lab, east: FakeApi) -> None:
    for one in THEIRS:
        put(kube(east, "east"), one)
    before = names(east)
    install(lab, east)
    assert removal.count(lab, lab.clusters["east"]) == 6
    removal.check(lab, lab.clusters["east"])
    assert removal.remove(lab, lab.clusters["east"]) == []
    # The API server in memory has no controller that empties a namespace.
    assert names(east) - {"ConfigMap inventory"} == before
    assert removal.remove(lab, lab.clusters["east"]) == []


def test_the_mark_goes_last(lab: Lab, east: FakeApi) -> None:
    install(lab, east)
    removal.remove(lab, lab.clusters["east"])
    deleted = [path for method, path in east.asked if method == "DELETE"]
    assert deleted[-1].endswith("/namespaces/eastwest-lab")


def test_without_its_mark_nothing_in_a_cluster_is_the_labs(lab: Lab, east: FakeApi) -> None:
    put(kube(east, "east"), obj("ConfigMap", "copy", namespace="shop", labels=lab.owner("part").labels))
    assert removal.count(lab, lab.clusters["east"]) == 0
    assert removal.remove(lab, lab.clusters["east"]) == []
    assert names(east) == {"ConfigMap copy"}


@pytest.mark.parametrize(
    "stranger",
    [
        obj("Deployment", "mine", namespace="test", version="apps/v1"),
        obj("Pod", "debug", namespace="test"),
        obj("Service", "mine", namespace="test"),
    ],
)
def test_what_a_person_put_into_a_namespace_of_the_lab_stops_the_removal(
    lab: Lab, east: FakeApi, stranger: Obj
) -> None:
    install(lab, east)
    put(kube(east, "east"), stranger)
    before = dict(east.objects)
    with pytest.raises(ClusterError, match=f"{stranger['kind']} test/.*; nothing was removed") as refused:
        removal.check(lab, lab.clusters["east"])
    assert "lab down" in str(refused.value.next)
    assert east.objects == before


@pytest.mark.parametrize(
    "ours",
    [
        obj("Service", "podinfo-east", namespace="test", labels={"mirror.linkerd.io/mirrored-service": "true"}),
        obj("Service", "podinfo-east", namespace="test", labels={"eastwest.lab/exported": "podinfo"}),
        obj("Pod", "of-a-scenario", namespace="test", labels={SCENARIO_LABEL: "isolation"}),
        obj("Pod", "elsewhere", namespace="shop"),
    ],
)
def test_what_the_labs_controllers_and_scenarios_made_does_not_stop_it(lab: Lab, east: FakeApi, ours: Obj) -> None:
    install(lab, east)
    put(kube(east, "east"), ours)
    removal.check(lab, lab.clusters["east"])


def test_a_pod_of_a_controller_does_not_stop_it(lab: Lab, east: FakeApi) -> None:
    install(lab, east)
    pod = obj("Pod", "podinfo-1", namespace="test")
    pod["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "podinfo"}]
    put(kube(east, "east"), pod)
    removal.check(lab, lab.clusters["east"])


def test_a_crd_that_others_use_stays_without_the_labs_labels(lab: Lab, east: FakeApi) -> None:
    install(lab, east)
    route = obj("HTTPRoute", "shop", namespace="shop", version=f"{_GATEWAY_API}/v1")
    put(kube(east, "east"), route)
    (words,) = removal.remove(lab, lab.clusters["east"])
    crd = f"CustomResourceDefinition httproutes.{_GATEWAY_API}"
    assert words == f"east: {crd} stays: others use it, such as HTTPRoute shop/shop"
    assert {crd, "HTTPRoute shop"} <= names(east)
    (kept,) = (one for one in east.objects.values() if one["kind"] == "CustomResourceDefinition")
    assert kept["metadata"]["labels"] == {}


def test_an_interrupted_removal_continues(lab: Lab, east: FakeApi) -> None:
    install(lab, east)
    put(kube(east, "east"), obj("ConfigMap", "reader", namespace="kube-system", labels=lab.owner("part").labels))
    path = next(path for path in east.objects if path.endswith("/namespaces/test"))
    del east.objects[path]  # an earlier try got as far as this
    removal.remove(lab, lab.clusters["east"])
    assert names(east) == {"ConfigMap inventory"}


def test_the_kinds_that_a_server_has_are_those_that_can_be_listed_and_deleted() -> None:
    answers = {
        "/apis": '{"groups": [{"preferredVersion": {"groupVersion": "apps/v1"}}, '
        '{"preferredVersion": {"groupVersion": "broken/v1"}}]}',
        "/api/v1": '{"resources": [{"name": "pods", "kind": "Pod", "namespaced": true, "verbs": ["list", "delete"]}, '
        '{"name": "pods/exec", "kind": "PodExec", "namespaced": true, "verbs": ["create"]}, '
        '{"name": "bindings", "kind": "Binding", "namespaced": true, "verbs": ["create"]}]}',
        "/apis/apps/v1": '{"resources": [{"name": "deployments", "kind": "Deployment", "namespaced": true, '
        '"verbs": ["list", "delete", "get"]}]}',
    }

    class Server:
        def read(self, path: str) -> str:
            if path not in answers:
                raise KubeError("the server is unavailable", where="east", status=status)
            return answers[path]

    status = 503
    assert discovery.served(Server()) == [("v1", "Pod", True), ("apps/v1", "Deployment", True)]  # type: ignore[arg-type]
    status = 500
    with pytest.raises(KubeError):
        discovery.served(Server())  # type: ignore[arg-type]


def test_gateway_classes_from_before_the_lab_stay(lab: Lab, east: FakeApi) -> None:
    install(lab, east)
    for name, at in (("before", "2026-01-01T00:00:00Z"), ("since", "2026-01-01T00:00:02Z")):
        spec = {"controllerName": "istio.io/gateway-controller"}
        put(kube(east, "east"), obj("GatewayClass", name, version=f"{_GATEWAY_API}/v1", spec=spec))
        _created(east, name, at)
    _created(east, "eastwest-lab", "2026-01-01T00:00:01Z")
    removal.remove(lab, lab.clusters["east"])
    assert names(east) & {"GatewayClass before", "GatewayClass since"} == {"GatewayClass before"}


def _created(api: FakeApi, name: str, at: str) -> None:
    for one in api.objects.values():
        if one["metadata"]["name"] == name:
            one["metadata"]["creationTimestamp"] = at


@pytest.mark.parametrize(("status", "version"), [(403, "v1"), (403, "apps/v1"), (500, "apps/v1"), (503, "v1")])
def test_a_kind_that_cannot_be_listed_is_not_taken_for_an_empty_one(
    lab: Lab, east: FakeApi, monkeypatch: pytest.MonkeyPatch, status: int, version: str
) -> None:
    install(lab, east)
    find = Kube.find

    def refused(self: Kube, api_version: str, kind: str, **more: Any) -> list[Obj]:
        if api_version == version:
            raise KubeError("refused", where="east", status=status)
        return find(self, api_version, kind, **more)

    monkeypatch.setattr(Kube, "find", refused)
    with pytest.raises(KubeError):
        removal.count(lab, lab.clusters["east"])


def test_a_group_whose_own_server_does_not_answer_is_left_out(
    lab: Lab, east: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(lab, east)
    find = Kube.find

    def refused(self: Kube, api_version: str, kind: str, **more: Any) -> list[Obj]:
        if api_version == "split.smi-spec.io/v1alpha2":
            raise KubeError("unavailable", where="east", status=503)
        return find(self, api_version, kind, **more)

    monkeypatch.setattr(Kube, "find", refused)
    assert removal.count(lab, lab.clusters["east"]) == 6
