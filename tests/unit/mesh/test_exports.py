"""A service that cannot be exported is refused with the reason, on both stacks, before anything is changed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from lab.base.errors import UsageError
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.mesh import Mesh
from lab.stacks.istio.mesh import IstioMesh
from lab.stacks.linkerd.mesh import LinkerdMesh
from tests.unit.fake_api import FakeApi, kube, put

LONG = "a" * 59
HTTP = {"name": "http", "port": 80}


def service(name: str, *ports: dict[str, Any], **spec: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "test"},
        "spec": {"ports": list(ports), "selector": {"app": name}, **spec},
    }


CASES = {
    "ExternalName": (
        service("web", type="ExternalName", externalName="example.com"),
        r"east: the Service web is of type ExternalName: it is another name for example\.com and has no pods",
    ),
    "UDP only": (service("web", {"port": 53, "protocol": "UDP"}), "east: the Service web has no TCP port"),
    "missing": (service("other", HTTP), "east: Service 'web' does not exist"),
}
MESHES = {"istio": IstioMesh, "linkerd": LinkerdMesh}


@pytest.fixture(params=MESHES)
def mesh(request: pytest.FixtureRequest, lab: Lab) -> Mesh:
    made: Mesh = MESHES[request.param](lab)
    return made


def objects(apis: dict[str, FakeApi]) -> dict[str, dict[str, Any]]:
    return {name: dict(api.objects) for name, api in apis.items()}


@pytest.mark.parametrize("by_ingress", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_service_that_a_gateway_cannot_forward_to_is_refused(
    apis: dict[str, FakeApi], mesh: Mesh, case: str, by_ingress: bool
) -> None:
    found, reason = CASES[case]
    put(kube(apis["east"], "east"), found)
    before = objects(apis)
    with pytest.raises(UsageError, match=reason):
        (mesh.add_ingress_route if by_ingress else mesh.export)("web", "east")
    assert objects(apis) == before


HEADLESS = service("web", HTTP, clusterIP="None")


def test_a_headless_service_is_refused_where_no_gateway_forwards_to_it(lab: Lab, apis: dict[str, FakeApi]) -> None:
    put(kube(apis["east"], "east"), HEADLESS)
    before = objects(apis)
    for change in (IstioMesh(lab).export, IstioMesh(lab).add_ingress_route, LinkerdMesh(lab).add_ingress_route):
        with pytest.raises(UsageError, match="east: the Service web is headless"):
            change("web", "east")
    assert objects(apis) == before


@pytest.mark.parametrize(("by_ingress", "suffix"), [(False, "-east"), (True, "-by-ingress-east")])
def test_a_name_that_would_be_too_long_is_refused(
    apis: dict[str, FakeApi], mesh: Mesh, by_ingress: bool, suffix: str
) -> None:
    put(kube(apis["east"], "east"), service(LONG, HTTP))
    before = objects(apis)
    words = re.escape(f"{LONG}{suffix}: {len(LONG + suffix)} characters, and a Service's name has 63 at most")
    with pytest.raises(UsageError, match=words):
        (mesh.add_ingress_route if by_ingress else mesh.export)(LONG, "east")
    assert objects(apis) == before


def test_an_ingress_names_the_missing_app_protocol(apis: dict[str, FakeApi], mesh: Mesh) -> None:
    put(kube(apis["east"], "east"), service("web", {"port": 80}))
    before = objects(apis)
    with pytest.raises(UsageError, match=r"protocol of web's port 80 is not known.*appProtocol: http"):
        mesh.add_ingress_route("web", "east")
    assert objects(apis) == before


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (CASES["ExternalName"][0], "ExternalName"),
        (HEADLESS, "headless"),
        (service("b" * 60, HTTP), "70 characters"),
    ],
)
def test_a_federated_service_has_the_same_limits(lab: Lab, apis: dict[str, FakeApi], found: Obj, reason: str) -> None:
    network = lab.spec.network.model_copy(update={"flat": True})
    flat = replace(lab, spec=lab.spec.model_copy(update={"network": network}))
    for name, api in apis.items():
        put(kube(api, name), found)
    before = objects(apis)
    with pytest.raises(UsageError, match=reason):
        LinkerdMesh(flat).federate(found["metadata"]["name"])
    assert objects(apis) == before
