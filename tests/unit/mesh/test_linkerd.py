"""The mesh of the linkerd stack: its objects and refusals, without a cluster."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from lab.base.errors import UsageError
from lab.base.names import NAMESPACE, Cluster
from lab.kube import Kube, NotNow
from lab.kube.objects import Obj
from lab.kube.owned import NotOwnedError
from lab.lab import Lab
from lab.mesh import Caller, Capability, Failover, Mesh, Permission, Split
from lab.stacks.linkerd import link as linkerd_link
from lab.stacks.linkerd import multicluster
from lab.stacks.linkerd.mesh import LinkerdMesh
from tests.unit.fake_api import FakeApi, kube, put

FRONTEND = Caller(cluster="west", namespace="test", service_account="frontend")
OTHER = Caller(cluster="west", namespace="test", service_account="other")
GATEWAY_ID = "linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.east.example"
FRONTEND_ID = "frontend.test.serviceaccount.identity.linkerd.west.example"
REPORTS = [{"clusterName": "east", "alive": True, "numberOfServices": 1, "latency": 2}]


def service(name: str, **labels: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {"ports": [{"name": "http", "port": 9898, "targetPort": "http"}], "selector": {"app": name}},
    }


def mirror(name: str = "podinfo") -> Obj:
    labels = {multicluster.TARGET_LABEL: "east", multicluster.MIRRORED_LABEL: "true"}
    return service(f"{name}-east", **labels)


@dataclass
class Nodes:
    """A provider whose nodes reach each other, or do not."""

    asked: list[tuple[str, int]]
    reached: bool = True

    @property
    def wire(self) -> Nodes:
        return self

    def reaches(self, source: Cluster, ends: Sequence[tuple[str, int]]) -> frozenset[tuple[str, int]]:
        self.asked += ends
        return frozenset(ends) if self.reached else frozenset()


@pytest.fixture
def mesh(lab: Lab, apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch) -> LinkerdMesh:
    """A mesh that accepts routes at once, with the mirror podinfo-east in West."""
    monkeypatch.setattr(Kube, "wait_ready", lambda *_, **__: None)
    monkeypatch.setattr(linkerd_link, "provider", lambda: Nodes([]))
    monkeypatch.setattr(linkerd_link, "_mirror_reports", lambda lab, cluster: {e["clusterName"]: e for e in REPORTS})
    for name, api in apis.items():
        put(kube(api, name), service("podinfo"))
        put(kube(api, name), service("cart"))
    put(kube(apis["west"], "west"), mirror())
    put(kube(apis["east"], "east"), multicluster.everybody())
    return LinkerdMesh(lab)


def of_kind(api: FakeApi, kind: str, namespace: str = NAMESPACE) -> dict[str, Any]:
    found = (o for o in api.objects.values() if o["kind"] == kind and o["metadata"]["namespace"] == namespace)
    return {obj["metadata"]["name"]: obj for obj in found}


def gateway_accepts(api: FakeApi) -> Any:
    return of_kind(api, "MeshTLSAuthentication", multicluster.NAMESPACE)["any-meshed"]["spec"]["identities"]


def test_it_is_a_mesh(lab: Lab) -> None:
    mesh: Mesh = LinkerdMesh(lab)
    assert {Capability.SPLIT, Capability.FAILOVER, Capability.AUTHORIZE_REQUEST} <= mesh.capabilities
    assert Capability.MERGED_SERVICE not in mesh.capabilities
    assert mesh.identity_of(FRONTEND) == FRONTEND_ID


def test_a_label_exports_a_service(mesh: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    assert mesh.export("podinfo", "east") == [("podinfo-east", "west")]
    labels = of_kind(apis["east"], "Service")["podinfo"]["metadata"]["labels"]
    assert labels == {"mirror.linkerd.io/exported": "true"}
    (found,) = mesh.exports()
    assert (found.name, found.source, found.seen_in) == ("podinfo-east", "east", ("west",))
    del apis["west"].objects["/api/v1/namespaces/test/services/podinfo-east"]  # as the service mirror does
    assert mesh.unexport("podinfo", "east") is True
    assert of_kind(apis["east"], "Service")["podinfo"]["metadata"]["labels"] == {}
    assert mesh.unexport("podinfo", "east") is False


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("nothing", "east", "Service 'nothing' does not exist"),
        ("podinfo-east", "west", "itself exported from east"),
        ("podinfo", "west", "no cluster is linked to west"),
    ],
)
def test_a_refused_export_changes_nothing(
    mesh: LinkerdMesh, apis: dict[str, FakeApi], name: str, source: str, words: str
) -> None:
    before = dict(apis[source].objects)
    with pytest.raises(UsageError, match=words):
        mesh.export(name, source)
    assert apis[source].objects == before


def test_a_split_is_a_route_of_the_called_service(mesh: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    weights = {"podinfo": 90, "podinfo-east": 10}
    wanted = Split(cluster="west", service="podinfo", weights=weights)
    assert mesh.split("west", "podinfo", weights) == wanted
    assert mesh.splits() == [wanted]
    (route,) = of_kind(apis["west"], "HTTPRoute").values()
    assert route["spec"]["parentRefs"] == [{"group": "", "kind": "Service", "name": "podinfo", "port": 9898}]
    parts = route["spec"]["rules"][0]["backendRefs"]
    assert [(part["name"], part["port"], part["weight"]) for part in parts] == [
        ("podinfo", 9898, 90),
        ("podinfo-east", 9898, 10),
    ]
    assert mesh.unsplit("west", "podinfo") is True
    assert mesh.splits() == []
    assert mesh.unsplit("west", "podinfo") is False


@pytest.mark.parametrize(
    ("service_name", "weights", "words"),
    [
        ("podinfo", {"podinfo": 0, "podinfo-east": 0}, "add up to 0"),
        ("podinfo", {"podinfo": 101, "podinfo-east": 0}, "from 0 to 100, not podinfo=101"),
        (
            "podinfo",
            {"podinfo": 1, "podinfo-north": 1},
            "podinfo-north is not podinfo.*possible names here: podinfo, podinfo-east",
        ),
        ("podinfo", {"podinfo": 1, "cart": 1}, "cart is not podinfo"),
        ("nothing", {"nothing": 1}, "Service 'nothing' does not exist"),
    ],
)
def test_an_invalid_split_is_refused_and_nothing_is_changed(
    mesh: LinkerdMesh, apis: dict[str, FakeApi], service_name: str, weights: dict[str, int], words: str
) -> None:
    before = dict(apis["west"].objects)
    with pytest.raises(UsageError, match=words):
        mesh.split("west", service_name, weights)
    assert apis["west"].objects == before


def test_a_failover_gives_the_backup_a_millionth_and_retries_failed_requests(
    mesh: LinkerdMesh, apis: dict[str, FakeApi]
) -> None:
    wanted = Failover(cluster="west", service="podinfo", primary="west", backup="east")
    mesh.fail_over(wanted)
    (route,) = of_kind(apis["west"], "HTTPRoute").values()
    weights = {part["name"]: part["weight"] for part in route["spec"]["rules"][0]["backendRefs"]}
    assert weights["podinfo"] / weights["podinfo-east"] >= 1_000_000
    assert route["metadata"]["annotations"]["retry.linkerd.io/http"] == "5xx"
    assert mesh.failovers() == [wanted]
    with pytest.raises(UsageError, match="fail over already"):
        mesh.split("west", "podinfo", {"podinfo": 1})
    assert mesh.unfail_over("west", "podinfo") is True
    assert mesh.failovers() == []
    mesh.split("west", "podinfo", {"podinfo": 1})
    with pytest.raises(UsageError, match="are split already"):
        mesh.fail_over(wanted)


def test_the_gateway_accepts_a_caller_of_another_cluster_and_the_service_the_gateway(
    mesh: LinkerdMesh, apis: dict[str, FakeApi]
) -> None:
    wanted = Permission(cluster="east", service="podinfo", callers=(FRONTEND,))
    mesh.authorize(wanted)
    east = apis["east"]
    assert gateway_accepts(east) == [FRONTEND_ID]
    (server,) = of_kind(east, "Server").values()
    assert server["spec"] == {"podSelector": {"matchLabels": {"app": "podinfo"}}, "port": "http"}
    (callers,) = of_kind(east, "MeshTLSAuthentication").values()
    assert callers["spec"]["identities"] == [GATEWAY_ID]
    (policy,) = of_kind(east, "AuthorizationPolicy").values()
    assert policy["spec"]["targetRef"]["name"] == server["metadata"]["name"]
    assert mesh.permissions() == [wanted]
    assert mesh.unauthorize("east", "podinfo") is True
    assert gateway_accepts(east) == ["*"]
    assert (of_kind(east, "Server"), of_kind(east, "AuthorizationPolicy"), mesh.permissions()) == ({}, {}, [])


def test_methods_and_paths_are_a_route_and_the_kubelets_probes_another(
    mesh: LinkerdMesh, apis: dict[str, FakeApi]
) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "podinfo-1", "namespace": NAMESPACE, "labels": {"app": "podinfo"}},
        "spec": {"containers": [{"readinessProbe": {"httpGet": {"path": "/readyz"}}}]},
    }
    put(kube(apis["east"], "east"), pod)
    mesh.authorize(
        Permission(cluster="east", service="podinfo", callers=(FRONTEND,), methods=("GET",), paths=("/a", "/b"))
    )
    routes = of_kind(apis["east"], "HTTPRoute")
    matches = routes["podinfo-allowed"]["spec"]["rules"][0]["matches"]
    assert [(m["method"], m["path"]["value"]) for m in matches] == [("GET", "/a"), ("GET", "/b")]
    assert routes["podinfo-probes"]["spec"]["rules"][0]["matches"][0]["path"]["value"] == "/readyz"
    targets = {p["spec"]["targetRef"]["name"] for p in of_kind(apis["east"], "AuthorizationPolicy").values()}
    assert targets == {"podinfo-allowed", "podinfo-probes"}
    mesh.authorize(Permission(cluster="east", service="podinfo", callers=(FRONTEND,)))
    assert of_kind(apis["east"], "HTTPRoute") == {}


def test_a_permission_without_callers_refuses_all_and_leaves_the_gateway_open(
    mesh: LinkerdMesh, apis: dict[str, FakeApi]
) -> None:
    mesh.authorize(Permission(cluster="east", service="podinfo", callers=()))
    assert of_kind(apis["east"], "Server")
    assert of_kind(apis["east"], "AuthorizationPolicy") == {}
    assert gateway_accepts(apis["east"]) == ["*"]


def test_two_groups_of_callers_behind_one_gateway_are_refused(mesh: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    mesh.authorize(Permission(cluster="east", service="podinfo", callers=(FRONTEND,)))
    before = dict(apis["east"].objects)
    with pytest.raises(UsageError, match="different callers from other clusters"):
        mesh.authorize(Permission(cluster="east", service="cart", callers=(OTHER,)))
    assert apis["east"].objects == before
    mesh.authorize(Permission(cluster="east", service="cart", callers=(FRONTEND,)))


def test_a_permission_for_a_missing_service_is_refused(mesh: LinkerdMesh) -> None:
    with pytest.raises(UsageError, match="or has no pods of its own"):
        mesh.authorize(Permission(cluster="west", service="nothing", callers=(FRONTEND,)))


def test_plain_text_is_accepted_and_refused_again(mesh: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    mesh.require_mtls("west", required=False)
    (server,) = of_kind(apis["west"], "Server").values()
    assert server["spec"]["accessPolicy"] == "all-unauthenticated"
    assert mesh.permissions() == []
    mesh.require_mtls("west")
    assert of_kind(apis["west"], "Server") == {}


def link_up(apis: dict[str, FakeApi], *, granted: str = "t1", available: int = 1) -> None:
    east, west = kube(apis["east"], "east"), kube(apis["west"], "west")
    place = multicluster.NAMESPACE
    put(
        west,
        {
            "apiVersion": multicluster.LINK_API,
            "kind": "Link",
            "metadata": {"name": "east", "namespace": place},
            "spec": {"targetClusterName": "east"},
        },
    )
    secret = {"apiVersion": "v1", "kind": "Secret"}
    credentials = {"name": "cluster-credentials-east", "namespace": place}
    put(west, {**secret, "metadata": credentials, "data": {"kubeconfig": b64encode(b"token: t1").decode()}})
    token = {"name": "linkerd-service-mirror-remote-access-default-token", "namespace": place}
    put(east, {**secret, "metadata": token, "data": {"token": b64encode(granted.encode()).decode()}})
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "dev-east-control-plane"}}
    put(east, node)
    apis["east"].objects["/api/v1/nodes/dev-east-control-plane"]["status"] = {
        "addresses": [{"type": "InternalIP", "address": "172.30.0.2"}]
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "linkerd-gateway", "namespace": place},
        "spec": {"replicas": 1},
    }
    put(east, deployment)
    path = f"/apis/apps/v1/namespaces/{place}/deployments/linkerd-gateway"
    apis["east"].objects[path]["status"] = {
        "observedGeneration": 1,
        "replicas": 1,
        "updatedReplicas": 1,
        "availableReplicas": available,
    }


def test_a_link_says_services_and_latency(mesh: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    link_up(apis)
    (link,) = mesh.links()
    assert (link.source, link.target, link.alive, link.detail) == ("west", "east", True, "")
    assert (link.server, link.services, link.latency_ms) == ("https://172.30.0.2:6443", 1, 2)


@pytest.mark.parametrize(
    ("granted", "available", "words"),
    [
        ("t2", 1, "the credentials for east were revoked there"),
        ("t1", 0, "east's gateway: Deployment linkerd-multicluster/linkerd-gateway 0/1 Available"),
    ],
)
def test_a_broken_link_names_the_hop(
    mesh: LinkerdMesh, apis: dict[str, FakeApi], granted: str, available: int, words: str
) -> None:
    link_up(apis, granted=granted, available=available)
    (link,) = mesh.links()
    assert (link.alive, link.detail) == (False, words)


def test_a_gateway_that_the_mirror_does_not_reach_is_the_last_hop(
    mesh: LinkerdMesh, apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    link_up(apis)
    dead = {"east": {**REPORTS[0], "alive": False}}
    monkeypatch.setattr(linkerd_link, "_mirror_reports", lambda lab, cluster: dead)
    assert [link.detail for link in mesh.links()] == ["the service mirror does not reach east's gateway"]
    monkeypatch.setattr(linkerd_link, "_mirror_reports", lambda lab, cluster: {})
    assert [link.detail for link in mesh.links()] == ["its service mirror does not answer"]


def test_an_unreachable_api_server_is_the_first_hop(
    mesh: LinkerdMesh, apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    link_up(apis)
    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(linkerd_link, "provider", lambda: Nodes(asked, reached=False))
    (link,) = mesh.links()
    assert (link.alive, link.detail[:42]) == (False, "west does not reach east's API server: mir")
    assert asked == [("172.30.0.2", 6443)]


def test_a_cluster_that_does_not_answer_is_reported_and_not_raised(mesh: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    link_up(apis)
    apis["east"].answers = [NotNow("the API server does not answer", where="east")] * 50
    assert {g.detail for g in mesh.gateways(["east"])} == {"the API server does not answer"}
    (link,) = mesh.links(["west"])
    assert (link.alive, link.detail) == (False, "east: the API server does not answer")
    assert mesh.identities(["east"]) == []


def test_an_export_is_refused_if_another_service_has_the_mirrors_name(lab: Lab, apis: dict[str, FakeApi]) -> None:
    put(kube(apis["east"], "east"), service("web"))
    put(kube(apis["west"], "west"), service("web-east"))
    before = [dict(api.objects) for api in apis.values()]
    with pytest.raises(NotOwnedError, match=r"west: there is a Service web-east that is not a mirror of east's web"):
        LinkerdMesh(lab).export("web", "east")
    assert [api.objects for api in apis.values()] == before
