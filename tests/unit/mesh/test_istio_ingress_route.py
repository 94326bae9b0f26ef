from __future__ import annotations

import pytest

from lab.base.errors import UsageError
from lab.base.names import LABEL_PREFIX
from lab.lab import Lab
from lab.stacks.istio.ingress import FROM_MESH, Ingress
from lab.stacks.istio.ingress_route import caller_objects, route
from lab.stacks.istio.mesh import IstioMesh
from tests.unit.fake_api import FakeApi, kube, put


def test_the_ingress_accepts_other_clusters_with_mutual_tls_only(lab: Lab) -> None:
    gateway = next(o for o in Ingress().objects(lab, lab.clusters["east"]) if o["kind"] == "Gateway")
    tls = {listener["name"]: listener.get("tls") for listener in gateway["spec"]["listeners"]}
    assert tls["http"] is None
    assert tls[FROM_MESH]["options"] == {"gateway.istio.io/tls-terminate-mode": "ISTIO_MUTUAL"}


def test_the_caller_accepts_only_the_ingress_identity() -> None:
    objects = {o["kind"]: o["spec"] for o in caller_objects("podinfo", "east", 9898, address="10.0.0.2", identity="me")}
    tls = objects["DestinationRule"]["trafficPolicy"]["tls"]
    assert tls == {"mode": "ISTIO_MUTUAL", "sni": "podinfo.test.svc.cluster.local", "subjectAltNames": ["me"]}
    assert objects["ServiceEntry"]["endpoints"] == [{"address": "10.0.0.2"}]
    assert objects["VirtualService"]["hosts"] == ["podinfo-by-ingress-east.test.svc.cluster.local"]
    assert objects["VirtualService"]["http"][0]["rewrite"] == {"authority": "podinfo.test.svc.cluster.local"}


def test_the_routes_parent_is_the_listener_for_other_clusters() -> None:
    assert route("podinfo", "east", 9898)["spec"]["parentRefs"][0]["sectionName"] == FROM_MESH


def test_a_missing_service_changes_nothing(lab: Lab, apis: dict[str, FakeApi]) -> None:
    with pytest.raises(UsageError, match="Service 'podinfo' does not exist"):
        IstioMesh(lab).add_ingress_route("podinfo", "east")
    assert IstioMesh(lab).ingress_routes() == []


def test_a_deleted_ingress_route_is_not_listed(lab: Lab, apis: dict[str, FakeApi]) -> None:
    mesh = IstioMesh(lab)
    obj = route("podinfo", "east", 9898)
    obj["metadata"]["labels"] = {
        **lab.owner("carry").labels,
        f"{LABEL_PREFIX}/carried-service": "podinfo",
        f"{LABEL_PREFIX}/carried-from": "east",
    }
    put(kube(apis["east"]), obj)
    (carried,) = mesh.ingress_routes()
    assert (carried.service, carried.source, carried.name) == ("podinfo", "east", "podinfo-by-ingress-east")
    assert mesh.identity_of(carried.carrier) == "spiffe://east.example/ns/istio-ingress/sa/ingress-istio"
    assert mesh.remove_ingress_route("podinfo", "east") is True
    assert mesh.ingress_routes() == []
    assert mesh.remove_ingress_route("podinfo", "east") is False
