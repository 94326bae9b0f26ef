"""Exports on Istio: the objects in each cluster, and the refusals."""

from __future__ import annotations

from typing import Any

import pytest

from lab.base.errors import UsageError
from lab.kube.objects import Obj
from lab.kube.owned import NotOwnedError
from lab.lab import Lab
from lab.mesh.names import ServicePort, ports_of
from lab.stacks.istio import export
from tests.unit.fake_api import FakeApi, kube, put


def service(name: str = "podinfo", *ports: dict[str, Any], **metadata: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "test", **metadata},
        "spec": {"ports": list(ports) or [{"name": "http", "port": 9898}], "selector": {"app": name}},
    }


def names(api: FakeApi) -> set[str]:
    return {f"{obj['kind']} {obj['metadata']['name']}" for obj in api.objects.values()}


@pytest.fixture
def east(apis: dict[str, FakeApi]) -> FakeApi:
    put(kube(apis["east"], "east"), service())
    return apis["east"]


def test_other_clusters_have_the_name_and_all_have_the_subsets(
    lab: Lab, apis: dict[str, FakeApi], east: FakeApi
) -> None:
    assert export.apply(lab, "podinfo", "east") is True
    assert export.apply(lab, "podinfo", "east") is False
    assert names(east) == {"Service podinfo", "DestinationRule podinfo"}
    assert names(apis["west"]) == {"DestinationRule podinfo", "Service podinfo-east", "VirtualService podinfo-east"}


def test_the_name_has_no_selector_and_routes_to_the_source_only(
    lab: Lab, apis: dict[str, FakeApi], east: FakeApi
) -> None:
    export.apply(lab, "podinfo", "east")
    found = {obj["kind"]: obj for obj in apis["west"].objects.values()}
    assert "selector" not in found["Service"]["spec"]
    route = found["VirtualService"]["spec"]["http"][0]["route"]
    assert route == [
        {"destination": {"host": "podinfo.test.svc.cluster.local", "subset": "east", "port": {"number": 9898}}}
    ]


def test_ports_follow_the_source_when_it_is_exported_again(lab: Lab, apis: dict[str, FakeApi], east: FakeApi) -> None:
    export.apply(lab, "podinfo", "east")
    put(kube(east, "east"), service("podinfo", {"name": "http", "port": 80}, {"name": "grpc", "port": 9999}))
    assert export.apply(lab, "podinfo", "east") is True
    found = {obj["kind"]: obj for obj in apis["west"].objects.values()}
    assert [p["port"] for p in found["Service"]["spec"]["ports"]] == [80, 9999]
    assert [rule["match"][0]["port"] for rule in found["VirtualService"]["spec"]["http"]] == [80, 9999]


def test_a_deleted_export_is_gone_and_the_subsets_with_the_last_one(
    lab: Lab, apis: dict[str, FakeApi], east: FakeApi
) -> None:
    put(kube(apis["west"], "west"), service())
    export.apply(lab, "podinfo", "east")
    export.apply(lab, "podinfo", "west")
    assert export.remove(lab, "podinfo", "east") is True
    assert names(apis["west"]) == {"Service podinfo", "DestinationRule podinfo"}
    assert export.remove(lab, "podinfo", "west") is True
    assert names(apis["west"]) == names(east) == {"Service podinfo"}
    assert export.remove(lab, "podinfo", "west") is False


def test_a_missing_service_is_an_error_and_nothing_is_changed(lab: Lab, apis: dict[str, FakeApi]) -> None:
    with pytest.raises(UsageError, match=r"east: Service 'cart' does not exist in namespace test.*kubectl"):
        export.apply(lab, "cart", "east")
    assert names(apis["west"]) == set()


def test_an_exported_name_is_not_exported_again(lab: Lab, apis: dict[str, FakeApi], east: FakeApi) -> None:
    export.apply(lab, "podinfo", "east")
    with pytest.raises(UsageError, match="itself exported from east"):
        export.apply(lab, "podinfo-east", "west")


@pytest.mark.parametrize(
    ("port", "http"),
    [
        ({"name": "http", "port": 1}, True),
        ({"name": "http2-api", "port": 1}, True),
        ({"name": "grpc-web", "port": 1}, True),
        ({"name": "redis", "port": 1}, False),
        ({"port": 1}, False),
        ({"name": "x", "port": 1, "appProtocol": "http"}, True),
        ({"name": "http", "port": 1, "appProtocol": "tcp"}, False),
    ],
)
def test_a_ports_protocol_is_read_as_istio_reads_it(port: dict[str, Any], http: bool) -> None:
    assert ports_of(service("x", port))[0].is_http is http
    assert ports_of(service("x", {"port": 1, "protocol": "UDP"})) == ()


@pytest.mark.parametrize("port", [{"port": 80}, {"name": "web", "port": 80}])
def test_a_port_without_a_known_protocol_has_both_kinds_of_rules(port: dict[str, Any]) -> None:
    found = ports_of(service("x", port))
    assert found[0].is_detected
    spec = export.mirror_objects("cart", "east", found)[1]["spec"]
    assert spec["http"] == spec["tcp"]
    assert spec["http"][0]["match"] == [{"port": 80}]


def test_a_tcp_port_has_tcp_rules_only() -> None:
    port = ServicePort(name="redis", number=6379, protocol="redis")
    spec = export.mirror_objects("cart", "east", [port])[1]["spec"]
    assert "http" not in spec
    assert spec["tcp"][0]["route"][0]["destination"]["subset"] == "east"


def test_an_export_leaves_another_owners_service_alone_and_changes_nothing(
    lab: Lab, apis: dict[str, FakeApi], east: FakeApi
) -> None:
    put(kube(apis["west"]), service("podinfo-east"))
    before = [dict(api.objects) for api in apis.values()]
    with pytest.raises(NotOwnedError, match=r"west: Service test/podinfo-east exists already.*nothing was changed"):
        export.apply(lab, "podinfo", "east")
    assert export.remove(lab, "podinfo", "east") is False
    assert [api.objects for api in apis.values()] == before


def test_an_export_leaves_another_owners_destination_rule_alone(
    lab: Lab, apis: dict[str, FakeApi], east: FakeApi
) -> None:
    (rule,) = export.source_objects("podinfo", ["east"])
    put(kube(east, "east"), rule)
    with pytest.raises(NotOwnedError, match="east: DestinationRule test/podinfo exists already"):
        export.apply(lab, "podinfo", "east")
    assert names(apis["west"]) == set()
    assert export.remove(lab, "podinfo", "east") is False
    assert names(east) == {"Service podinfo", "DestinationRule podinfo"}
