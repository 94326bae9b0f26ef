"""Failures that Linkerd's proxies count while a service fails over."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lab.base.errors import ClusterError, LabError
from lab.kube import Kube
from lab.kube.objects import annotations_of
from lab.lab import Lab
from lab.lifecycle import reset
from lab.mesh import Failover
from lab.mesh.names import service_ref
from lab.stacks.linkerd import route
from lab.stacks.linkerd.mesh import LinkerdMesh
from tests.unit.fake_api import FakeApi, kube, put
from tests.unit.mesh.test_linkerd import mirror, of_kind, service

MODE = "balancer.linkerd.io/failure-accrual"
WANTED = Failover(cluster="west", service="podinfo", primary="west", backup="east")


@pytest.fixture
def west(apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch) -> Kube:
    monkeypatch.setattr(Kube, "wait_ready", lambda *_, **__: None)
    west = kube(apis["west"], "west")
    put(west, mirror())
    return west


def counted(west: Kube) -> Mapping[str, str]:
    return annotations_of(west.get(service_ref("podinfo")) or {"metadata": {}})


def test_a_failover_counts_the_failures_of_endpoints_and_its_end_does_not(lab: Lab, west: Kube) -> None:
    put(west, service("podinfo"))
    mesh = LinkerdMesh(lab)
    mesh.fail_over(WANTED)
    assert counted(west)[MODE] == "consecutive"
    assert mesh.unfail_over("west", "podinfo") is True
    assert not counted(west)
    assert mesh.unfail_over("west", "podinfo") is False


def test_a_failover_that_is_refused_counts_nothing(lab: Lab, west: Kube) -> None:
    put(west, service("podinfo"))
    mesh = LinkerdMesh(lab)
    mesh.split("west", "podinfo", {"podinfo": 50, "podinfo-east": 50})
    with pytest.raises(LabError):
        mesh.fail_over(WANTED)
    assert not counted(west)


def test_an_api_server_that_refuses_the_route_leaves_nothing_counted(
    lab: Lab, west: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(west, service("podinfo"))

    def refuse(*_: object) -> None:
        raise ClusterError("quota exceeded", where="west", next="lab status")

    monkeypatch.setattr(route, "write", refuse)
    with pytest.raises(ClusterError):
        LinkerdMesh(lab).fail_over(WANTED)
    assert not counted(west)


def test_reset_removes_what_is_left_when_a_person_deletes_the_route(
    lab: Lab, west: Kube, apis: dict[str, FakeApi]
) -> None:
    put(west, service("podinfo"))
    mesh = LinkerdMesh(lab)
    mesh.fail_over(WANTED)
    for path in list(apis["west"].objects):
        if "httproutes" in path:
            del apis["west"].objects[path]
    assert mesh.failovers() == []
    assert list(reset._failovers(lab, mesh)) == ["west: the rest of a failover of podinfo removed"]
    assert not counted(west)


def test_a_person_who_counts_in_another_way_keeps_it(lab: Lab, west: Kube) -> None:
    own = service("podinfo")
    own["metadata"]["annotations"] = {MODE: "unified"}
    put(west, own)
    mesh = LinkerdMesh(lab)
    mesh.fail_over(WANTED)
    assert counted(west) == {MODE: "unified"}
    mesh.unfail_over("west", "podinfo")
    assert counted(west) == {MODE: "unified"}


def test_a_retry_is_left_for_the_backup_after_all_counted_failures(
    lab: Lab, west: Kube, apis: dict[str, FakeApi]
) -> None:
    put(west, service("podinfo"))
    LinkerdMesh(lab).fail_over(WANTED)
    (route,) = of_kind(apis["west"], "HTTPRoute").values()
    failures, waits, backup = int(counted(west)[f"{MODE}-consecutive-max-failures"]), 1, 1
    # The first try is not a retry.
    assert int(route["metadata"]["annotations"]["retry.linkerd.io/limit"]) == failures + waits + backup - 1
    assert route["metadata"]["annotations"]["retry.linkerd.io/timeout"] == "1s"


def test_a_split_retries_as_before_and_counts_nothing(lab: Lab, west: Kube, apis: dict[str, FakeApi]) -> None:
    put(west, service("podinfo"))
    LinkerdMesh(lab).split("west", "podinfo", {"podinfo": 50, "podinfo-east": 50})
    (route,) = of_kind(apis["west"], "HTTPRoute").values()
    assert route["metadata"]["annotations"] == {"retry.linkerd.io/http": "5xx", "retry.linkerd.io/limit": "3"}
    assert not counted(west)
