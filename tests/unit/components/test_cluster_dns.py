"""The TTL of the cluster's DNS, changed in place."""

from __future__ import annotations

import pytest

from lab.base.errors import ClusterError
from lab.base.step import CHANGED, UNCHANGED
from lab.components import dns as cluster_dns
from lab.components.dns import ClusterDns, with_ttl
from lab.lab import Lab
from tests.unit.fake_api import FakeApi, kube, put

COREFILE = """\
.:53 {
    kubernetes cluster.local {
       ttl 30
    }
    cache 30
}
"""


@pytest.fixture
def dns(lab: Lab, apis: dict[str, FakeApi]) -> FakeApi:
    api = kube(apis["east"], "east")
    where = {"name": "coredns", "namespace": "kube-system"}
    put(api, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": where, "data": {"Corefile": COREFILE}})
    for name, status in (("started", {"startTime": "2026-01-01T00:00:00Z"}), ("waiting", {})):
        metadata = {"name": name, "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}
        put(api, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
        apis["east"].objects[_pod(name)]["status"] = status
    return apis["east"]


def _pod(name: str) -> str:
    return f"/api/v1/namespaces/kube-system/pods/{name}"


def test_the_ttl_is_changed_and_nothing_else(lab: Lab, dns: FakeApi) -> None:
    east = lab.clusters["east"]
    assert ClusterDns().apply(lab, east) == CHANGED
    found = kube(dns, "east").get(cluster_dns._CONFIG)
    assert found is not None
    assert found["data"]["Corefile"] == COREFILE.replace("ttl 30", "ttl 5")
    assert ClusterDns().apply(lab, east) == UNCHANGED


def test_only_pods_that_may_have_read_the_old_file_are_replaced(lab: Lab, dns: FakeApi) -> None:
    ClusterDns().apply(lab, lab.clusters["east"])
    assert _pod("started") not in dns.objects
    assert _pod("waiting") in dns.objects


def test_a_corefile_without_a_ttl_is_refused(lab: Lab, apis: dict[str, FakeApi]) -> None:
    with pytest.raises(ClusterError, match="Corefile sets no ttl"):
        ClusterDns().apply(lab, lab.clusters["west"])


def test_only_the_ttl_is_replaced() -> None:
    assert with_ttl("ttl 30\n  ttl 7\ncache 30", 5) == "ttl 5\n  ttl 5\ncache 30"
