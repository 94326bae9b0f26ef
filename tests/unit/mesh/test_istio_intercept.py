from __future__ import annotations

from typing import Any

import pytest

from lab.base.errors import UsageError
from lab.lab import Lab
from lab.mesh import Intercept
from lab.stacks.istio.intercept import build
from lab.stacks.istio.mesh import IstioMesh
from tests.unit.fake_api import FakeApi, kube, put
from tests.unit.mesh.test_istio import service

WANTED = Intercept(cluster="west", service="my-service", to="my-service-dev", header="X-Lab-Dev", value="me & you")


@pytest.fixture
def mesh(lab: Lab, apis: dict[str, FakeApi]) -> IstioMesh:
    for name in ("my-service", "my-service-dev"):
        put(kube(apis["west"]), service(name))
    return IstioMesh(lab)


def hosts(rule: Any) -> list[str]:
    return [part["destination"]["host"].split(".")[0] for part in rule["route"]]


def test_an_intercept_is_read_back_as_it_was_applied(mesh: IstioMesh) -> None:
    mesh.intercept(WANTED)
    assert mesh.intercepts() == [WANTED]
    assert mesh.remove_intercept("west", "my-service") is True
    assert mesh.intercepts() == []
    assert mesh.remove_intercept("west", "my-service") is False


def test_only_requests_with_the_header_go_to_the_other_service() -> None:
    intercepted, other = build(WANTED)["spec"]["http"]
    assert intercepted["match"] == [{"headers": {"x-lab-dev": {"exact": "me & you"}}}]
    assert hosts(intercepted) == ["my-service-dev"]
    assert "match" not in other
    assert hosts(other) == ["my-service"]


def test_without_a_header_all_requests_go_to_the_other_service() -> None:
    (rule,) = build(Intercept(cluster="west", service="my-service", to="my-service-dev"))["spec"]["http"]
    assert "match" not in rule
    assert hosts(rule) == ["my-service-dev"]


def test_a_second_intercept_of_a_service_replaces_the_first(mesh: IstioMesh) -> None:
    mesh.intercept(WANTED)
    everything = Intercept(cluster="west", service="my-service", to="my-service-dev")
    mesh.intercept(everything)
    assert mesh.intercepts() == [everything]


@pytest.mark.parametrize("missing", ["cart", "cart-dev"])
def test_a_missing_service_is_refused(mesh: IstioMesh, missing: str) -> None:
    names = {"service": "my-service", "to": "my-service", "to" if missing.endswith("dev") else "service": missing}
    with pytest.raises(UsageError, match=f"Service '{missing}' does not exist"):
        mesh.intercept(Intercept(cluster="west", **names))


def test_requests_that_are_routed_already_are_refused(mesh: IstioMesh) -> None:
    mesh.split("west", "my-service", {"my-service": 1})
    with pytest.raises(UsageError, match=r"by VirtualService my-service-split.*Next: lab unsplit my-service --in west"):
        mesh.intercept(WANTED)
