"""The objects of intercepts, ingress routes, TrafficSplits and federated services on Linkerd, without a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab.base.errors import UsageError
from lab.kube import Kube
from lab.kube.objects import Obj
from lab.kube.owned import NotOwnedError
from lab.lab import Lab
from lab.mesh import Capability, Intercept
from lab.stacks.linkerd import emissary, multicluster, traffic_split
from lab.stacks.linkerd.mesh import LinkerdMesh
from tests.unit.fake_api import FakeApi, kube, put
from tests.unit.mesh.test_linkerd import mirror, of_kind, service

WANTED = Intercept(cluster="west", service="cart", to="cart-dev", header="x-lab-dev", value="me & you")


@pytest.fixture
def mesh(lab: Lab, apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch) -> LinkerdMesh:
    monkeypatch.setattr(Kube, "wait_ready", lambda *_, **__: None)
    for name in ("podinfo", "cart", "cart-dev"):
        put(kube(apis["west"], "west"), service(name))
        put(kube(apis["east"], "east"), service(name))
    put(kube(apis["west"], "west"), mirror())
    return LinkerdMesh(lab)


def rules(api: FakeApi) -> list[Obj]:
    (route,) = of_kind(api, "HTTPRoute").values()
    found: list[Obj] = route["spec"]["rules"]
    return found


def names(rule: Obj) -> list[str]:
    return [part["name"] for part in rule["backendRefs"]]


def test_an_intercept_is_read_back_as_it_was_applied(mesh: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    mesh.intercept(WANTED)
    assert mesh.intercepts() == [WANTED]
    intercepted, other = rules(apis["west"])
    assert intercepted["matches"] == [{"headers": [{"type": "Exact", "name": "x-lab-dev", "value": "me & you"}]}]
    assert (names(intercepted), names(other)) == (["cart-dev"], ["cart"])
    assert "matches" not in other
    assert mesh.remove_intercept("west", "cart") is True
    assert mesh.intercepts() == []
    assert mesh.remove_intercept("west", "cart") is False


def test_without_a_header_all_requests_go_to_the_other_service(mesh: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    mesh.intercept(Intercept(cluster="west", service="cart", to="cart-dev"))
    (rule,) = rules(apis["west"])
    assert names(rule) == ["cart-dev"]
    assert "matches" not in rule


def test_a_service_has_one_kind_of_route(mesh: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    mesh.intercept(Intercept(cluster="west", service="podinfo", to="cart-dev"))
    before = dict(apis["west"].objects)
    with pytest.raises(UsageError, match=r"are intercepted already.*Next: lab reset, then"):
        mesh.split("west", "podinfo", {"podinfo": 50, "podinfo-east": 50})
    assert apis["west"].objects == before


@pytest.mark.parametrize(("service_name", "to"), [("nothing", "cart"), ("cart", "nothing")])
def test_a_missing_service_is_refused(mesh: LinkerdMesh, service_name: str, to: str) -> None:
    with pytest.raises(UsageError, match="Service 'nothing' does not exist"):
        mesh.intercept(Intercept(cluster="west", service=service_name, to=to))
    assert mesh.intercepts() == []


@pytest.fixture
def mirrored_ingress(apis: dict[str, FakeApi]) -> None:
    """East's Emissary for the mesh, and its mirror, as the service mirror makes it."""
    here: dict[str, Any] = next(o for o in emissary.from_mesh() if o["kind"] == "Service")
    put(kube(apis["east"], "east"), here)
    marks = {multicluster.TARGET_LABEL: "east"}
    there = {**here, "metadata": {"name": "emissary-from-mesh-east", "namespace": emissary.NAMESPACE, "labels": marks}}
    put(kube(apis["west"], "west"), there)
    address = {"loadBalancer": {"ingress": [{"ip": "10.0.0.2"}]}}
    ref = multicluster.GATEWAY
    gateway = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": ref.name, "namespace": ref.namespace}}
    put(kube(apis["east"], "east"), {**gateway, "spec": {}, "status": address})


@pytest.mark.usefixtures("mirrored_ingress")
def test_an_ingress_route_is_a_service_a_route_with_a_header_and_a_mapping(
    mesh: LinkerdMesh, apis: dict[str, FakeApi]
) -> None:
    carried = mesh.add_ingress_route("podinfo", "east")
    assert (carried.name, carried.entrance) == ("podinfo-by-ingress-east", "http://10.0.0.2:4143/")
    assert mesh.identity_of(carried.carrier).startswith("emissary-ingress.emissary.serviceaccount")
    (rule,) = rules(apis["west"])
    (backend,) = rule["backendRefs"]
    assert (backend["name"], backend["namespace"]) == ("emissary-from-mesh-east", "emissary")
    (header,) = rule["filters"][0]["requestHeaderModifier"]["set"]
    (mapping,) = of_kind(apis["east"], "Mapping", emissary.NAMESPACE).values()
    assert mapping["spec"]["headers"] == {header["name"]: header["value"]} == {"x-lab-carry": "podinfo"}
    assert mapping["spec"]["service"] == "podinfo.test:9898"
    exported = of_kind(apis["east"], "Service", emissary.NAMESPACE)["emissary-from-mesh"]["metadata"]["labels"]
    assert exported[multicluster.EXPORTED_LABEL] == "true"

    del apis["west"].objects["/api/v1/namespaces/emissary/services/emissary-from-mesh-east"]  # as the mirror does
    assert mesh.remove_ingress_route("podinfo", "east") is True
    assert mesh.ingress_routes() == []
    assert not of_kind(apis["west"], "HTTPRoute")
    assert "podinfo-by-ingress-east" not in of_kind(apis["west"], "Service")
    assert mesh.remove_ingress_route("podinfo", "east") is False


def test_a_refused_ingress_route_changes_nothing(mesh: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    before = dict(apis["west"].objects)
    with pytest.raises(UsageError, match="no cluster is linked to west"):
        mesh.add_ingress_route("podinfo", "west")
    assert apis["west"].objects == before


def test_the_listener_for_other_clusters_refuses_callers_without_an_identity() -> None:
    server = next(o for o in emissary.from_mesh() if o["kind"] == "Server")
    listener = next(o for o in emissary.from_mesh() if o["kind"] == "Listener")
    assert server["spec"]["accessPolicy"] == "all-authenticated"
    assert server["spec"]["port"] == listener["spec"]["port"]
    open_listener = next(o for o in emissary.routes() if o["kind"] == "Listener")
    assert open_listener["spec"]["hostBinding"] != listener["spec"]["hostBinding"]
    assert open_listener["spec"]["port"] != listener["spec"]["port"]


def test_a_traffic_split_without_its_extension_says_so_and_changes_nothing(
    mesh: LinkerdMesh, apis: dict[str, FakeApi]
) -> None:
    before = dict(apis["west"].objects)
    with pytest.raises(UsageError, match="smi-adaptor is not there") as caught:
        mesh.split_smi("west", "podinfo", {"podinfo": 50, "podinfo-east": 50})
    assert "without --smi" in (caught.value.next or "")
    assert apis["west"].objects == before


def test_a_traffic_split_is_read_back(mesh: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    put(kube(apis["west"], "west"), traffic_split.build("podinfo", {"podinfo": 75, "podinfo-east": 25}))
    (found,) = mesh.splits()
    assert (dict(found.weights), found.smi) == ({"podinfo": 75, "podinfo-east": 25}, True)
    with pytest.raises(UsageError, match="split by an SMI TrafficSplit already"):
        mesh.split("west", "podinfo", {"podinfo": 50, "podinfo-east": 50})


def test_a_federated_service_needs_a_flat_network(mesh: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    before = dict(apis["west"].objects)
    with pytest.raises(UsageError, match="network is not flat") as caught:
        mesh.federate("podinfo")
    assert "flat = true" in (caught.value.next or "")
    assert Capability.FEDERATE not in mesh.capabilities
    assert apis["west"].objects == before


@pytest.fixture
def flat(lab: Lab, mesh: LinkerdMesh) -> LinkerdMesh:
    """The mesh of a lab whose pods reach pods of other clusters."""
    network = lab.spec.network.model_copy(update={"flat": True})
    return replace(mesh, lab=replace(lab, spec=lab.spec.model_copy(update={"network": network})))


def federated() -> Obj:
    """podinfo-federated, as the service mirrors create it."""
    made = service("podinfo-federated")
    made["metadata"]["annotations"] = {
        "multicluster.linkerd.io/local-discovery": "podinfo",
        "multicluster.linkerd.io/remote-discovery": "podinfo@east",
    }
    return made


def test_a_direct_export_is_a_service_beside_the_other(flat: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    assert Capability.DIRECT in flat.capabilities
    put(kube(apis["west"], "west"), mirror("podinfo-direct"))  # as the service mirror does
    assert flat.export_direct("podinfo", "east") == [("podinfo-direct-east", "west")]
    made = apis["east"].objects["/api/v1/namespaces/test/services/podinfo-direct"]
    original = apis["east"].objects["/api/v1/namespaces/test/services/podinfo"]
    assert made["metadata"]["labels"]["mirror.linkerd.io/exported"] == "remote-discovery"
    assert made["spec"]["selector"] == original["spec"]["selector"]
    assert made["spec"]["ports"] == original["spec"]["ports"]
    assert [(one.service, one.name) for one in flat.exports() if one.service != "podinfo"] == [
        ("podinfo-direct", "podinfo-direct-east")
    ]
    flat.export_direct("podinfo", "east")
    with pytest.raises(UsageError, match="direct export of podinfo") as caught:
        flat.export("podinfo-direct", "east")
    assert caught.value.next == "lab export podinfo --from east, which uses the gateway"
    mirrored = apis["west"].objects["/api/v1/namespaces/test/services/podinfo-direct-east"]
    mirrored["metadata"]["labels"] |= made["metadata"]["labels"]  # the service mirror copies them
    assert flat.direct_exports() == [("podinfo-direct", "east")]
    del apis["west"].objects["/api/v1/namespaces/test/services/podinfo-direct-east"]
    assert flat.direct_exports() == [("podinfo-direct", "east")], "reset finds it without its mirror too"
    assert flat.unexport("podinfo-direct", "east") is True
    assert "/api/v1/namespaces/test/services/podinfo-direct" not in apis["east"].objects
    assert original == apis["east"].objects["/api/v1/namespaces/test/services/podinfo"]
    assert flat.unexport("podinfo-direct", "east") is False


def test_a_direct_export_does_not_take_over_a_service(flat: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    put(kube(apis["east"], "east"), service("podinfo-direct"))
    before = dict(apis["east"].objects)
    with pytest.raises(NotOwnedError, match="podinfo-direct"):
        flat.export_direct("podinfo", "east")
    assert flat.unexport("podinfo-direct", "east") is False
    assert apis["east"].objects == before


def test_a_direct_export_needs_pods_and_a_flat_network(
    mesh: LinkerdMesh, flat: LinkerdMesh, apis: dict[str, FakeApi]
) -> None:
    alone = service("alone")
    del alone["spec"]["selector"]
    put(kube(apis["east"], "east"), alone)
    before = dict(apis["east"].objects)
    with pytest.raises(UsageError, match="selects no pods"):
        flat.export_direct("alone", "east")
    with pytest.raises(UsageError, match="a direct export needs direct routes"):
        mesh.export_direct("podinfo", "east")
    assert Capability.DIRECT not in mesh.capabilities
    assert apis["east"].objects == before


def test_a_split_moves_requests_between_all_ways_to_a_cluster(flat: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    west = kube(apis["west"], "west")
    put(west, mirror("podinfo-direct"))
    put(west, federated())
    weights = {"podinfo": 0, "podinfo-east": 10, "podinfo-direct-east": 20, "podinfo-federated": 70}
    assert dict(flat.split("west", "podinfo", weights).weights) == weights
    put(west, service("cart-federated"))
    with pytest.raises(
        UsageError, match="possible names here: podinfo, podinfo-east, podinfo-direct-east, podinfo-fed"
    ):
        flat.split("west", "podinfo", {"podinfo": 50, "cart-federated": 50})


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("podinfo-direct-east", "lab export podinfo --direct"),
        ("podinfo-federated", "lab federate podinfo"),
        ("podinfo-moon", "lab export podinfo"),
    ],
)
def test_a_split_to_a_missing_name_says_how_to_get_it(flat: LinkerdMesh, name: str, command: str) -> None:
    with pytest.raises(UsageError) as caught:
        flat.split("west", "podinfo", {name: 100})
    assert caught.value.next == command


def test_a_federated_service_has_members_in_all_clusters(flat: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    assert Capability.FEDERATE in flat.capabilities
    put(kube(apis["west"], "west"), federated())
    assert flat.federate("podinfo") == ("east", "west")
    assert flat.federated() == ["podinfo"]
    with pytest.raises(UsageError, match="nothing is in no cluster"):
        flat.federate("nothing")
    del apis["west"].objects["/api/v1/namespaces/test/services/podinfo-federated"]
    assert flat.unfederate("podinfo") is True
    assert flat.unfederate("podinfo") is False
