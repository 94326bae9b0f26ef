"""What the lab finds in an existing cluster before it writes anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import LabError
from lab.base.names import architecture
from lab.clusters.existing import checks, preflight
from lab.clusters.existing.checks import Footprint
from lab.clusters.existing.preflight import Preflight
from lab.host.doctor.findings import Verdict, fail, ok
from lab.kube import KubeError
from lab.lab import Lab
from tests.unit.clusters.existing_kit import TOML, entry, lab_of, write
from tests.unit.clusters.test_existing_removal import obj
from tests.unit.fake_api import FakeApi, kube, put

FOOTPRINT = Footprint(namespaces=("test", "istio-system"), groups=("networking.istio.io",))
GKE = "https://203.0.113.7"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    write(tmp_path / "config", entry("gke_shop_europe", GKE, token="t"), entry("laptop", "https://192.0.2.9"))
    return lab_of(tmp_path)


class Cluster:
    """An API server, with the answers to reviews."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.version = "v1.33.1"
        self.denied: set[tuple[str, str]] = set()
        self.error: KubeError | None = None
        node = obj("Node", "n1", spec={"providerID": "gce://shop/a/n1"})
        node["status"] = {
            "nodeInfo": {"architecture": architecture()},
            "allocatable": {"cpu": "3920m", "memory": "8Gi"},
        }
        put(kube(api, "east"), node)
        system = obj("Namespace", "kube-system")
        put(kube(api, "east"), system)


@pytest.fixture
def east(apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster(apis["east"])

    def review(_: Any, version: str, kind: str, spec: Mapping[str, Any]) -> Any:
        del version
        if made.error is not None:
            raise made.error
        if kind == "SelfSubjectReview":
            return {"status": {"userInfo": {"username": "ann@example.org"}}}
        asked = spec["resourceAttributes"]
        everything = (asked["resource"], asked["verb"]) == ("*", "*") and bool(made.denied)
        return {"status": {"allowed": not everything and (asked["resource"], asked["verb"]) not in made.denied}}

    monkeypatch.setattr("lab.kube.client.Kube.review", review)
    monkeypatch.setattr("lab.kube.client.Kube.version", lambda _: made.version)
    monkeypatch.setattr("lab.kube.transport.http", lambda _: made.api)
    return made


def found(lab: Lab) -> dict[str, Any]:
    seen = preflight.look(lab, "east", FOOTPRINT)
    assert seen is not None
    return {one.name: one for one in seen.findings}


def test_a_good_cluster_has_no_problem_and_nothing_is_written(lab: Lab, east: Cluster) -> None:
    before, asked = dict(east.api.objects), len(east.api.asked)
    all_found = found(lab)
    assert {one.verdict for one in all_found.values()} == {Verdict.OK}
    assert all_found["identity"].observed == "ann@example.org"
    assert all_found["API server"].observed == "203.0.113.7"
    assert all_found["load balancers"].observed == "by Google Cloud"
    assert east.api.objects == before
    assert {method for method, _ in east.api.asked[asked:]} == {"GET"}
    seen = preflight.look(lab, "east", FOOTPRINT)
    assert seen is not None
    preflight.refuse([seen])


@pytest.mark.parametrize(("version", "verdict"), [("v1.28.9", Verdict.FAIL), ("v1.29.0-gke.7", Verdict.OK)])
def test_an_old_kubernetes_is_refused(lab: Lab, east: Cluster, version: str, verdict: Verdict) -> None:
    east.version = version
    assert found(lab)["version"].verdict is verdict


def test_missing_rights_are_named(lab: Lab, east: Cluster) -> None:
    east.denied = {("clusterroles", "create"), ("customresourcedefinitions", "delete")}
    one = found(lab)["permissions"]
    assert one.verdict is Verdict.FAIL
    assert "create clusterroles" in one.observed
    assert "delete customresourcedefinitions" in one.observed


def test_rights_short_of_everything_suffice(lab: Lab, east: Cluster) -> None:
    east.denied = {("nothing", "at all")}
    assert found(lab)["permissions"].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("theirs", "name", "words"),
    [
        (obj("Namespace", "test"), "namespaces", "test: not the lab's"),
        (obj("Namespace", "eastwest-lab", labels={"eastwest.lab/lab": "demo"}), "lab", "the lab demo of another"),
        (
            obj("CustomResourceDefinition", "sidecars.networking.istio.io", version="apiextensions.k8s.io/v1"),
            "mesh",
            "sidecars.networking.istio.io: not the lab's",
        ),
    ],
)
def test_what_is_in_the_way_is_named(lab: Lab, east: Cluster, theirs: Any, name: str, words: str) -> None:
    put(kube(east.api, "east"), theirs)
    one = found(lab)[name]
    assert one.verdict is Verdict.FAIL
    assert words in one.observed
    assert one.fix


def test_an_adopted_cluster_is_not_looked_at_again(lab: Lab, east: Cluster) -> None:
    lab.paths.write_lab_id("1")
    put(kube(east.api, "east"), obj("Namespace", "eastwest-lab", labels=lab.owner("inventory").labels))
    assert preflight.look(lab, "east", FOOTPRINT) is None


def test_an_address_of_this_machine_serves_no_other_cluster(tmp_path: Path, east: Cluster) -> None:
    write(tmp_path / "config", entry("gke_shop_europe", "https://127.0.0.1:6443"), entry("laptop", GKE))
    lab = lab_of(tmp_path)
    assert found(lab)["API server"].verdict is Verdict.FAIL
    told = lab_of(tmp_path, TOML.replace("[clusters.west]", 'server = "https://10.0.0.8:6443"\n[clusters.west]'))
    assert found(told)["API server"].verdict is Verdict.OK
    alone = lab_of(
        tmp_path, TOML.replace("[clusters.west]", "reachable = false\n[exports]\npodinfo = []\n[clusters.west]")
    )
    assert found(alone)["API server"].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("status", "name"), [(401, "identity"), (403, "identity"), (None, "API server")], ids=["401", "403", "silent"]
)
def test_a_cluster_that_refuses_or_is_silent_is_one_finding(
    lab: Lab, east: Cluster, status: int | None, name: str
) -> None:
    east.error = KubeError("Unauthorized", where="east", status=status)
    seen = preflight.look(lab, "east", FOOTPRINT)
    assert seen is not None
    (one,) = seen.failures
    assert (one.name, "get namespaces" in str(one.fix)) == (name, True)


def test_a_missing_program_for_credentials_is_named_with_its_hint(lab: Lab, tmp_path: Path) -> None:
    program = {"command": "no-such-auth-plugin", "installHint": "install it from the vendor"}
    write(tmp_path / "config", entry("gke_shop_europe", GKE, exec=program))
    seen = preflight.look(lab, "east", FOOTPRINT)
    assert seen is not None
    (one,) = seen.failures
    assert "no-such-auth-plugin" in one.observed
    assert "install it from the vendor" in str(one.fix)


def test_other_architectures_and_a_full_cluster_are_named(lab: Lab, east: Cluster) -> None:
    (node,) = (one for one in east.api.objects.values() if one["kind"] == "Node")
    node["status"]["allocatable"] = {"cpu": "1", "memory": "2000000Ki"}
    pod = obj(
        "Pod",
        "big",
        namespace="shop",
        spec={"nodeName": "n1", "containers": [{"resources": {"requests": {"cpu": "900m", "memory": "1500Mi"}}}]},
    )
    pod["status"] = {"phase": "Running"}
    put(kube(east.api, "east"), pod)
    east.api.objects[next(p for p in east.api.objects if p.endswith("/pods/big"))]["status"] = {"phase": "Running"}
    assert found(lab)["capacity"].verdict is Verdict.WARN
    node["status"]["nodeInfo"]["architecture"] = "s390x"
    assert found(lab)["architecture"].verdict is Verdict.FAIL


def test_without_an_example_of_a_load_balancer_it_is_a_warning(lab: Lab, east: Cluster) -> None:
    (node,) = (one for one in east.api.objects.values() if one["kind"] == "Node")
    node["spec"] = {"providerID": "kind://docker/x"}
    assert found(lab)["load balancers"].verdict is Verdict.WARN
    service = obj("Service", "web", namespace="shop", spec={"type": "LoadBalancer"})
    put(kube(east.api, "east"), service)
    assert "Service shop/web has no address" in found(lab)["load balancers"].observed
    stored = next(one for one in east.api.objects.values() if one["kind"] == "Service")
    stored["status"] = {"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}}
    assert found(lab)["load balancers"].verdict is Verdict.OK


def test_the_same_cluster_under_two_names_is_refused() -> None:
    one = Preflight(cluster="east", context="a", uid="u", findings=[ok("x", "", "")])
    with pytest.raises(LabError, match="a and b are the same cluster, for east and west"):
        preflight.refuse([one, Preflight(cluster="west", context="b", uid="u")])
    preflight.refuse([one, Preflight(cluster="west", context="b", uid="v")])


def test_every_problem_and_its_fix_are_in_the_refusal() -> None:
    bad = [fail("version", "Kubernetes 1.1", "why", fix="upgrade"), fail("mesh", "istio", "why", fix="remove it")]
    with pytest.raises(LabError, match=r"nothing was changed:\n  east: version: .*\n  east: mesh: istio") as refused:
        preflight.refuse([Preflight(cluster="east", context="a", findings=bad)])
    assert refused.value.next == "upgrade; remove it"


@pytest.mark.parametrize(
    ("text", "number"), [("3920m", 3.92), ("8Gi", 8 * 2**30), ("2", 2.0), ("1e3", 1000.0), ("bad", 0.0), ("5M", 5e6)]
)
def test_quantities(text: str, number: float) -> None:
    assert checks.quantity(text) == pytest.approx(number)
