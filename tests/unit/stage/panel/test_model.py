"""One cluster's panel, from its objects: what is joined, what is left out, and how much is kept."""

from __future__ import annotations

from typing import Any

import pytest

from lab.base.names import SCENARIO_LABEL, Json
from lab.kube.objects import Obj
from lab.kube.watch import Absent, Complete, Present, key_of
from lab.lab import Lab
from lab.mesh.model import Caller, Link, Permission
from lab.mesh.permissions import as_annotation
from lab.stacks import STACKS
from lab.stage.panel import model as models
from lab.stage.panel.model import MOST_EVENTS, MOST_ROWS, ClusterModel
from tests.unit.stage.panel.objects import event, made, node, pod, service, slices

GATEWAY = "linkerd-multicluster"


@pytest.fixture
def linkerd(lab: Lab) -> ClusterModel:
    stack = STACKS["linkerd"]
    return ClusterModel("west", stack.panel, stack.mesh(lab).gateway_workloads("east"))


@pytest.fixture
def istio(lab: Lab) -> ClusterModel:
    stack = STACKS["istio"]
    return ClusterModel("west", stack.panel, stack.mesh(lab).gateway_workloads("west"))


def see(model: ClusterModel, *objects: Obj) -> None:
    for obj in objects:
        model.see((obj["apiVersion"], obj["kind"]), Present(obj))


def lists(model: ClusterModel) -> dict[str, list[Json]]:
    return model.lists(0.0, quiet=True)


def test_a_pod_reads_as_kubectl_shows_it(linkerd: ClusterModel) -> None:
    see(linkerd, node(), pod())
    (row,) = lists(linkerd)["pods"]
    assert row == {
        "name": "podinfo-1",
        "namespace": "test",
        "app": "podinfo",
        "ready": "2/2",
        "phase": "Running",
        "restarts": 1,
        "created": 1767225600.0,
        "node_ready": True,
        "change": None,
    }


@pytest.mark.parametrize(
    ("change", "phase"),
    [
        (
            {"containerStatuses": [{"name": "podinfo", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
            "CrashLoopBackOff",
        ),
        ({"containerStatuses": [{"name": "podinfo", "state": {"terminated": {"reason": "Error"}}}]}, "Error"),
        ({"containerStatuses": [], "phase": "Pending"}, "Pending"),
        ({"containerStatuses": None, "phase": "Failed", "reason": "Evicted"}, "Evicted"),
    ],
)
def test_the_phase_has_the_reason(linkerd: ClusterModel, change: dict[str, Any], phase: str) -> None:
    see(linkerd, pod(**change))
    assert lists(linkerd)["pods"][0]["phase"] == phase


def test_a_pod_that_is_deleted_is_terminating(linkerd: ClusterModel) -> None:
    obj = pod()
    obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    see(linkerd, obj)
    assert lists(linkerd)["pods"][0]["phase"] == "Terminating"


def test_a_pod_on_a_node_that_is_not_ready_says_so(linkerd: ClusterModel) -> None:
    see(linkerd, node(ready=False), pod())
    assert lists(linkerd)["pods"][0]["node_ready"] is False


def test_a_service_has_its_ready_endpoints_and_the_cluster_it_mirrors(
    linkerd: ClusterModel, istio: ClusterModel
) -> None:
    mirror = service("podinfo-east", metadata={"labels": {"mirror.linkerd.io/cluster-name": "east"}})
    see(linkerd, service(), slices(ready=1, not_ready=1), mirror)
    own, exported = lists(linkerd)["services"]
    assert (own["ready"], own["mirror_of"], own["type"], own["ports"]) == ("1/2", None, "ClusterIP", [9898])
    assert (exported["ready"], exported["mirror_of"]) == (None, "east")
    labels = {"eastwest.lab/exported-service": "podinfo", "eastwest.lab/exported-from": "east"}
    see(istio, service("podinfo-east", metadata={"labels": labels}))
    assert lists(istio)["services"][0]["mirror_of"] == "east"


def test_a_gateway_is_ready_with_an_address_and_a_ready_pod(linkerd: ClusterModel) -> None:
    assert [(one["name"], one["words"]) for one in lists(linkerd)["gateways"]] == [
        ("emissary-ingress", "its Service does not exist"),
        ("linkerd-gateway", "its Service does not exist"),
    ]
    see(linkerd, service("linkerd-gateway", GATEWAY, address="172.30.0.2"))
    gateway = lists(linkerd)["gateways"][1]
    assert (gateway["ready"], gateway["address"], gateway["words"]) == (
        False,
        "172.30.0.2",
        "none of its pods is ready",
    )
    see(linkerd, slices("linkerd-gateway", GATEWAY))
    gateway = lists(linkerd)["gateways"][1]
    assert (gateway["ready"], gateway["role"], gateway["port"], gateway["words"]) == (True, "east-west", 4143, "")
    see(linkerd, service("linkerd-gateway", GATEWAY))
    assert lists(linkerd)["gateways"][1]["words"] == "its Service has no address"


def link(**status: Any) -> Obj:
    return made(
        "Link",
        "east",
        GATEWAY,
        api_version="multicluster.linkerd.io/v1alpha3",
        spec={"targetClusterName": "east"},
        status=status,
    )


def test_a_link_is_not_ok_while_its_mirrors_have_no_ready_endpoints(linkerd: ClusterModel) -> None:
    mirror = service("podinfo-east", metadata={"labels": {"mirror.linkerd.io/cluster-name": "east"}})
    see(linkerd, link(), mirror, slices("podinfo-east"))
    assert lists(linkerd)["links"] == [{"to": "east", "ok": True, "words": "no service mirrored", "change": None}]
    see(linkerd, slices("podinfo-east", ready=0, not_ready=1))
    (row,) = lists(linkerd)["links"]
    assert (row["ok"], row["words"]) == (
        False,
        "east's gateway does not answer: podinfo-east without ready endpoints",
    )
    see(linkerd, slices("podinfo-east", ready=0))  # the exported service has no pods, which is not the link's fault
    assert lists(linkerd)["links"][0]["ok"] is True


def test_where_no_object_is_a_link_the_mesh_says_it(istio: ClusterModel) -> None:
    assert lists(istio)["links"] == []
    istio.links = [
        Link(source="west", target="east", server=None, alive=False, detail="istiod reports east as timeout")
    ]
    assert lists(istio)["links"] == [
        {"to": "east", "ok": False, "words": "istiod reports east as timeout", "change": None}
    ]


def test_a_permission_of_the_lab_says_who_may_call_what(istio: ClusterModel) -> None:
    caller = Caller(cluster="west", namespace="test", service_account="frontend")
    annotations = dict(as_annotation(Permission(cluster="east", service="podinfo", callers=(caller,))))
    kind = {"api_version": "security.istio.io/v1", "metadata": {"annotations": annotations}, "spec": {}}
    see(istio, made("AuthorizationPolicy", "podinfo-callers", "test", **kind))
    (row,) = lists(istio)["policies"]
    assert (row["group"], row["kind"], row["name"]) == ("security.istio.io", "AuthorizationPolicy", "podinfo-callers")
    assert row["words"] == "only west/frontend may call podinfo in east"


def test_only_the_namespaces_of_applications_gateways_and_links_are_shown(linkerd: ClusterModel) -> None:
    see(linkerd, pod("a"), pod("b", namespace=GATEWAY), pod("c", namespace="kube-system"), pod("d", namespace="mine"))
    see(linkerd, event("e", "2026-01-01T00:00:00Z", namespace="kube-system"))
    server = {"api_version": "policy.linkerd.io/v1beta3", "spec": {"port": 4143}}
    see(linkerd, made("Server", "gateway", GATEWAY, **server), made("Server", "podinfo-http", "test", **server))
    found = lists(linkerd)
    assert [row["name"] for row in found["pods"]] == ["b", "a"]
    assert [row["name"] for row in found["policies"]] == ["podinfo-http"]
    assert found["events"] == []


def test_namespaces_of_scenarios_are_shown_while_they_exist(linkerd: ClusterModel) -> None:
    see(linkerd, pod("a", namespace="isolation-elsewhere"))
    assert lists(linkerd)["pods"] == []
    elsewhere = made("Namespace", "isolation-elsewhere", metadata={"labels": {SCENARIO_LABEL: "isolation"}})
    see(linkerd, elsewhere, made("Namespace", "mine"))
    assert [row["name"] for row in lists(linkerd)["pods"]] == ["a"]
    linkerd.see(("v1", "Namespace"), Absent(key_of(elsewhere)))
    assert lists(linkerd)["pods"] == []


def test_the_newest_events_come_first_and_the_oldest_are_forgotten(
    linkerd: ClusterModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_MOST_KEPT", 40)
    for number in range(60):
        see(linkerd, event(f"e{number}", f"2026-01-01T00:00:{(number * 7) % 60:02}Z", reason=str((number * 7) % 60)))
    events = lists(linkerd)["events"]
    assert [row["reason"] for row in events] == [str(second) for second in range(59, 59 - MOST_EVENTS, -1)]
    assert set(events[0]) == {"at", "kind", "object", "reason", "message", "warning"}


def test_an_event_that_is_repeated_has_the_time_of_the_last_one(linkerd: ClusterModel) -> None:
    repeated = event("a", "2026-01-01T00:00:00Z", series={"lastObservedTime": "2026-01-01T00:01:00.5Z"})
    only_new = {**event("b", "", type="Normal"), "lastTimestamp": None, "eventTime": "2026-01-01T00:00:30Z"}
    see(linkerd, repeated, only_new)
    first, second = lists(linkerd)["events"]
    assert (first["at"], first["warning"]) == (1767225660.5, True)
    assert (second["at"], second["warning"]) == (1767225630.0, False)


def test_texts_are_short_on_one_line_and_without_secrets(linkerd: ClusterModel) -> None:
    secret = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.c2lnbmF0dXJl"
    see(linkerd, event("a", "2026-01-01T00:00:00Z", message=f"token\n {secret} " + "x" * 500))
    message = lists(linkerd)["events"][0]["message"]
    assert message.startswith("token [redacted] xxx")
    assert (len(message), message[-1]) == (200, "…")


def test_a_list_is_cut_and_what_is_kept_is_bounded(linkerd: ClusterModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_MOST_KEPT", 250)
    see(linkerd, *(pod(f"p{number:03}") for number in range(300)))
    assert len(lists(linkerd)["pods"]) == MOST_ROWS
    see(linkerd, pod("p001", phase="Failed"))  # one that is known still changes
    assert lists(linkerd)["pods"][1]["phase"] == "Failed"
    linkerd.see(("v1", "Pod"), Complete(frozenset()))
    assert lists(linkerd)["pods"] == []


def test_after_a_complete_list_what_is_not_in_it_is_gone(linkerd: ClusterModel) -> None:
    see(linkerd, pod("a"), pod("b"))
    linkerd.see(("v1", "Pod"), Complete(frozenset({("test", "b")})))
    assert [row["name"] for row in lists(linkerd)["pods"]] == ["b"]


@pytest.mark.parametrize("stack", STACKS)
def test_no_form_of_an_object_breaks_a_panel(lab: Lab, stack: str) -> None:
    model = ClusterModel("west", STACKS[stack].panel, STACKS[stack].mesh(lab).gateway_workloads("west"))
    odd: list[dict[str, Any]] = [{}, {"spec": None}, {"spec": []}, {"spec": {"rules": [3], "http": 3, "ports": "x"}}]
    for version, kind in model.watched:
        for number, content in enumerate(odd):
            see(model, made(kind, f"odd-{number}", "test", api_version=version, **content))
    assert set(lists(model)) == {"pods", "services", "gateways", "links", "policies", "events"}


@pytest.mark.parametrize("stack", STACKS)
def test_no_secret_and_no_config_map_is_watched(lab: Lab, stack: str) -> None:
    model = ClusterModel("west", STACKS[stack].panel, ())
    assert {kind for _, kind in model.watched}.isdisjoint({"Secret", "ConfigMap"})
