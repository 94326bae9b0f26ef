"""The cluster's DNS, changed in place."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import nullcontext

import pytest

from lab.base.errors import ClusterError, WaitTimeout
from lab.base.step import CHANGED, UNCHANGED
from lab.components import dns as cluster_dns
from lab.components.dns import ClusterDns, changed
from lab.lab import Lab
from tests.unit.fake_api import FakeApi, kube, put

# As kubeadm 1.37 writes it.
COREFILE = """\
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
"""
CHANGED_COREFILE = (
    COREFILE.replace("ttl 30", "ttl 5")
    .replace("max_concurrent 1000", "max_fails 0")
    .replace("    loop\n", "    template ANY ANY test {\n        rcode NXDOMAIN\n    }\n")
)


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


def test_the_corefile_is_changed_in_three_places(lab: Lab, dns: FakeApi) -> None:
    east = lab.clusters["east"]
    assert ClusterDns().apply(lab, east) == CHANGED
    found = kube(dns, "east").get(cluster_dns._CONFIG)
    assert found is not None
    assert found["data"]["Corefile"] == CHANGED_COREFILE
    assert ClusterDns().apply(lab, east) == UNCHANGED


def test_only_pods_that_may_have_read_the_old_file_are_replaced(lab: Lab, dns: FakeApi) -> None:
    ClusterDns().apply(lab, lab.clusters["east"])
    assert _pod("started") not in dns.objects
    assert _pod("waiting") in dns.objects


def test_a_corefile_without_a_ttl_is_refused(lab: Lab, apis: dict[str, FakeApi]) -> None:
    with pytest.raises(ClusterError, match="Corefile sets no ttl"):
        ClusterDns().apply(lab, lab.clusters["west"])


def test_only_whole_lines_are_replaced() -> None:
    assert changed("  ttl 7\n# loop\ncache 30") == "  ttl 5\n# loop\ncache 30"


def test_a_person_can_type_the_same_changes(lab: Lab) -> None:
    if shutil.which("sed") is None:
        pytest.skip("this machine has no sed")
    typed = ClusterDns().rendering(lab, lab.clusters["east"]).before[0]
    edit = typed.partition(" | ")[2].rpartition(" | ")[0]
    done = subprocess.run(["sh", "-c", edit], input=COREFILE, text=True, capture_output=True, check=True)
    assert done.stdout == CHANGED_COREFILE


@pytest.mark.parametrize("ready", [0, 1])
def test_one_ready_pod_of_two_answers(
    lab: Lab, apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch, ready: int
) -> None:
    api = kube(apis["east"], "east")
    put(
        api,
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "coredns", "namespace": "kube-system"}},
    )
    status = {"replicas": 2, "availableReplicas": ready, "unavailableReplicas": 2 - ready}
    apis["east"].objects["/apis/apps/v1/namespaces/kube-system/deployments/coredns"]["status"] = status
    monkeypatch.setattr(cluster_dns, "_FIRST_ANSWER_S", 0.1)
    with nullcontext() if ready else pytest.raises(WaitTimeout, match="no pod is ready"):
        cluster_dns.wait_until_answers(api)
