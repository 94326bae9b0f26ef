"""Addresses of Services: written by the lab in its own clusters, given by the platform in existing ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab import config
from lab.base import entrances
from lab.base.errors import ClusterError, LabError, WaitTimeout
from lab.components import load_balancer
from lab.components.rendering import api_server
from lab.components.rendering import load_balancer as commands
from lab.kube import Kube
from lab.kube.objects import Ref
from lab.lab import Lab
from tests.unit.fake_api import FakeApi, cluster, put

SERVICE = Ref(api_version="v1", kind="Service", name="gate", namespace="gates")
GKE = replace(cluster("east"), node="", existing=True)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def east(api: FakeApi) -> Kube:
    made = Kube(GKE, api)
    put(made, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "gate", "namespace": "gates"}, "spec": {}})
    return made


def give(api: FakeApi, **ingress: str) -> None:
    (service,) = (one for one in api.objects.values() if one["kind"] == "Service")
    service["status"] = {"loadBalancer": {"ingress": [ingress]}}


@pytest.mark.parametrize(
    ("ingress", "address"), [({"ip": "203.0.113.9"}, "203.0.113.9"), ({"hostname": "lb.example"}, "lb.example")]
)
def test_a_platform_gives_an_address_or_a_name_and_the_lab_writes_nothing(
    api: FakeApi, east: Kube, ingress: dict[str, str], address: str
) -> None:
    assert load_balancer.problem(east, SERVICE) == "its Service has no address yet"
    give(api, **ingress)
    before, asked = dict(api.objects), len(api.asked)
    load_balancer.ensure(east, SERVICE)
    assert load_balancer.problem(east, SERVICE) == ""
    assert load_balancer.address(east, SERVICE) == address
    assert api.objects == before
    assert {method for method, _ in api.asked[asked:]} == {"GET"}


def test_a_service_that_never_gets_an_address_is_named_with_the_platforms_reason(
    api: FakeApi, east: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    for time, words in (
        ("2026-01-01T00:00:01Z", "starting"),
        ("2026-01-01T00:00:02Z", "quota of\n addresses exceeded"),
    ):
        event: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": time.lower().replace(":", "-"), "namespace": "gates"},
            "involvedObject": {"name": "gate"},
            "type": "Warning",
            "lastTimestamp": time,
            "message": words,
        }
        put(east, event)
    monkeypatch.setattr(load_balancer, "_BY_A_PLATFORM_S", 0.01)
    with pytest.raises(WaitTimeout, match="the platform has given it none: quota of addresses exceeded") as late:
        load_balancer.ensure(east, SERVICE)
    assert "describe service gate" in str(late.value.next)
    with pytest.raises(ClusterError, match="Service gates/gate has no address"):
        load_balancer.address(east, SERVICE)


def test_the_ingress_of_an_existing_cluster_is_remembered(
    lab: Lab, api: FakeApi, east: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    existing = replace(lab, spec=config.parse('name = "dev"\n[clusters.east]\ncontext = "gke"\n'))
    monkeypatch.setattr(load_balancer, "connect", lambda _: east)
    assert existing.page_url("east") == ""
    with pytest.raises(LabError, match="its ingress has no address yet"):
        existing.ingress_url("east")
    give(api, ip="203.0.113.9")
    load_balancer.ensure_entrance(existing, GKE, SERVICE)
    assert existing.ingress_url("east") == existing.page_url("east") == "http://203.0.113.9"
    assert load_balancer.is_known_entrance(existing, GKE, SERVICE)
    give(api, ip="203.0.113.10")
    assert not load_balancer.is_known_entrance(existing, GKE, SERVICE)
    assert existing.ingress_url("west") == "http://127.0.0.1:8080"
    assert existing.page_url("west") == "http://localhost:8080"


def test_an_ipv6_address_is_written_as_urls_need_it_and_a_damaged_file_is_none(lab: Lab) -> None:
    file = lab.paths.ingresses
    lab.paths.ensure_state()
    entrances.record(file, "east", "2001:db8::1")
    assert entrances.url(file, "east") == "http://[2001:db8::1]"
    file.write_text("{")
    assert entrances.address(file, "east") == ""


def test_commands_for_an_existing_cluster_wait_for_the_platform() -> None:
    lines = commands(GKE, SERVICE)
    assert [line for line in lines if "patch" in line] == []
    assert "--for=jsonpath='{.status.loadBalancer.ingress}'" in lines[-1]
    obtain, url = api_server(GKE)
    assert (obtain.startswith("SERVER=$(kubectl --context=east config view --minify"), url) == (True, "$SERVER")
    assert api_server(replace(GKE, server="https://10.0.0.8:6443"))[0] == "SERVER=https://10.0.0.8:6443"
    assert api_server(cluster("east"))[1] == "https://$ADDRESS:6443"
