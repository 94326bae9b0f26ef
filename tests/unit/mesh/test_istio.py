from __future__ import annotations

import json
from typing import Any

import pytest

from lab.base.errors import UsageError
from lab.base.names import NAMESPACE
from lab.kube import Kube, NotNow
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.mesh import Caller, Capability, Failover, Mesh, Permission, Split
from lab.stacks.istio import export
from lab.stacks.istio.mesh import IstioMesh, sync_states
from tests.unit.fake_api import FakeApi, kube, put

FRONTEND = Caller(cluster="west", namespace="test", service_account="frontend")


def service(name: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"ports": [{"name": "http", "port": 9898}], "selector": {"app": name}},
    }


@pytest.fixture
def mesh(lab: Lab, apis: dict[str, FakeApi]) -> IstioMesh:
    for name, api in apis.items():
        put(kube(api, name), service("podinfo"))
    export.apply(lab, "podinfo", "east")
    return IstioMesh(lab)


def virtual_service(api: FakeApi, name: str) -> Any:
    return api.objects.get(f"/apis/networking.istio.io/v1/namespaces/test/virtualservices/{name}")


def test_it_is_a_mesh(lab: Lab) -> None:
    mesh: Mesh = IstioMesh(lab)
    assert Capability.SPLIT in mesh.capabilities
    assert Capability.SPLIT_SMI not in mesh.capabilities


def test_a_split_is_read_back_with_the_names_it_was_applied_with(mesh: IstioMesh, apis: dict[str, FakeApi]) -> None:
    weights = {"podinfo": 90, "podinfo-east": 10}
    assert mesh.split("west", "podinfo", weights) == Split(cluster="west", service="podinfo", weights=weights)
    assert mesh.splits() == [Split(cluster="west", service="podinfo", weights=weights)]
    parts = virtual_service(apis["west"], "podinfo-split")["spec"]["http"][0]["route"]
    assert [(part["destination"]["subset"], part["weight"]) for part in parts] == [("west", 90), ("east", 10)]
    assert mesh.unsplit("west", "podinfo") is True
    assert mesh.splits() == []
    assert mesh.unsplit("west", "podinfo") is False


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"podinfo": 0, "podinfo-east": 0}, "add up to 0"),
        ({}, "add up to 0"),
        ({"podinfo": 101, "podinfo-east": 2}, "from 0 to 100, not podinfo=101"),
        ({"podinfo": -1, "podinfo-east": 2}, "from 0 to 100, not podinfo=-1"),
        (
            {"podinfo": 50, "podinfo-north": 50},
            "podinfo-north is not podinfo.*possible names here: podinfo, podinfo-east",
        ),
    ],
)
def test_an_invalid_split_is_refused_and_nothing_is_changed(
    mesh: IstioMesh, apis: dict[str, FakeApi], weights: dict[str, int], words: str
) -> None:
    before = dict(apis["west"].objects)
    with pytest.raises(UsageError, match=words):
        mesh.split("west", "podinfo", weights)
    assert apis["west"].objects == before


def test_a_split_of_a_missing_service_is_refused(mesh: IstioMesh) -> None:
    with pytest.raises(UsageError, match="Service 'cart' does not exist"):
        mesh.split("west", "cart", {"cart": 1})


def test_a_service_is_split_or_fails_over_but_not_both(mesh: IstioMesh, apis: dict[str, FakeApi]) -> None:
    wanted = Failover(cluster="west", service="podinfo", primary="west", backup="east")
    mesh.fail_over(wanted)
    assert mesh.failovers() == [wanted]
    assert mesh.unfail_over("west", "podinfo") is True
    assert mesh.failovers() == []
    mesh.split("west", "podinfo", {"podinfo": 1, "podinfo-east": 1})
    with pytest.raises(UsageError, match=r"split already.*Next: lab unsplit podinfo --in west"):
        mesh.fail_over(wanted)


def test_a_failover_of_a_missing_service_is_refused_with_the_next_step(mesh: IstioMesh) -> None:
    with pytest.raises(UsageError, match=r"Service 'nope' does not exist.*Next: name a service") as raised:
        mesh.fail_over(Failover(cluster="west", service="nope", primary="west", backup="east"))
    assert raised.value.exit_code == 2


def test_a_permission_names_identity_with_its_trust_domain_method_and_path(
    mesh: IstioMesh, apis: dict[str, FakeApi]
) -> None:
    wanted = Permission(cluster="east", service="podinfo", callers=(FRONTEND,), methods=("GET",), paths=("/api/info",))
    mesh.authorize(wanted)
    policy = next(o for o in apis["east"].objects.values() if o["kind"] == "AuthorizationPolicy")
    assert policy["spec"]["selector"] == {"matchLabels": {"app": "podinfo"}}
    assert policy["spec"]["rules"] == [
        {
            "from": [{"source": {"principals": ["west.example/ns/test/sa/frontend"]}}],
            "to": [{"operation": {"methods": ["GET"], "paths": ["/api/info"]}}],
            "when": [
                {
                    "key": "request.headers[x-forwarded-client-cert]",
                    "values": ["*;URI=spiffe://west.example/ns/test/sa/frontend"],
                }
            ],
        }
    ]
    assert mesh.permissions() == [wanted]
    assert mesh.unauthorize("east", "podinfo") is True
    assert mesh.permissions() == []


def test_a_permission_without_callers_refuses_every_request(mesh: IstioMesh, apis: dict[str, FakeApi]) -> None:
    mesh.authorize(Permission(cluster="east", service="podinfo", callers=()))
    policy = next(o for o in apis["east"].objects.values() if o["kind"] == "AuthorizationPolicy")
    assert (policy["spec"]["action"], policy["spec"]["rules"]) == ("ALLOW", [])


def test_a_permission_for_an_export_is_refused_in_the_importing_cluster(mesh: IstioMesh) -> None:
    with pytest.raises(UsageError, match="or has no pods of its own"):
        mesh.authorize(Permission(cluster="west", service="podinfo-east", callers=(FRONTEND,)))


def test_exports_list_the_importing_clusters(mesh: IstioMesh) -> None:
    (found,) = mesh.exports()
    assert (found.name, found.source, found.seen_in) == ("podinfo-east", "east", ("west",))


def test_a_cluster_that_does_not_answer_is_reported_and_not_raised(mesh: IstioMesh, apis: dict[str, FakeApi]) -> None:
    apis["east"].answers = [NotNow("the API server does not answer", where="east")] * 50
    assert {g.detail for g in mesh.gateways(["east"])} == {"the API server does not answer"}
    (link,) = mesh.links(["east"])
    assert (link.source, link.target, link.alive, link.detail) == (
        "east",
        "west",
        False,
        "the API server does not answer",
    )
    assert mesh.identities(["east"]) == []


def test_a_split_of_a_service_that_fails_over_is_refused(mesh: IstioMesh, apis: dict[str, FakeApi]) -> None:
    mesh.fail_over(Failover(cluster="west", service="podinfo", primary="east", backup="west"))
    before = dict(apis["west"].objects)
    with pytest.raises(UsageError, match="fail over already") as raised:
        mesh.split("west", "podinfo", {"podinfo": 100, "podinfo-east": 0})
    assert "lab unfailover podinfo" in (raised.value.next or "")
    assert apis["west"].objects == before


METRIC = "istiod_remote_cluster_sync_status"
METRICS = """\
# TYPE istiod_managed_clusters gauge
istiod_managed_clusters{cluster_type="remote"} 2
# TYPE istiod_remote_cluster_sync_status gauge
istiod_remote_cluster_sync_status{cluster="west",cluster_type="remote",status="synced"} 1
istiod_remote_cluster_sync_status{cluster="west",cluster_type="remote",status="syncing"} 0
istiod_remote_cluster_sync_status{cluster="north",cluster_type="remote",status="synced"} 0
istiod_remote_cluster_sync_status{cluster="north",cluster_type="remote",status="timeout"} 1
"""


def test_the_state_of_remote_clusters_is_read_from_istiods_metrics() -> None:
    assert sync_states(METRICS) == {"west": "synced", "north": "timeout"}
    assert sync_states("") == {}


@pytest.mark.parametrize(
    ("states", "asked"), [({"west": "synced"}, False), ({"west": "closed"}, True), ({}, True)], ids=str
)
def test_istiod_itself_is_asked_if_its_metrics_do_not_say_that_all_are_synced(
    mesh: IstioMesh, apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch, states: dict[str, str], asked: bool
) -> None:
    """They say "closed" for ever after a remote secret has changed."""
    pod = {"metadata": {"name": "istiod-1", "namespace": "istio-system", "labels": {"app": "istiod"}}}
    for name, api in apis.items():
        put(kube(api, name), {"apiVersion": "v1", "kind": "Pod", **pod, "status": {"phase": "Running"}})
    said = {"east": "west", "west": "east"}
    executed: list[str] = []

    def metrics(self: Kube, path: str, **_: object) -> str:
        assert path.endswith("/istiod-1:15014/proxy/metrics")
        other = said[self.cluster.name]
        lines = [f'{METRIC}{{cluster="{other}",status="{state}"}} 1' for state in states.values()]
        return "\n".join([f"# TYPE {METRIC} gauge", *lines, ""])

    def execute(self: Kube, *_: object, **__: object) -> str:
        executed.append(self.cluster.name)
        return json.dumps([{"id": said[self.cluster.name], "syncStatus": "synced"}])

    monkeypatch.setattr(Kube, "read", metrics)
    monkeypatch.setattr(Kube, "execute", execute)
    links = mesh.links()
    assert [link.detail for link in links if "istiod" in link.detail] == []
    assert sorted(executed) == (["east", "west"] if asked else [])
