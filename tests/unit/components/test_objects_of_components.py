"""The objects of components, without a cluster."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest

from lab.base.step import CHANGED, UNCHANGED
from lab.clusters.provider import WireState
from lab.components.frontend import Frontend
from lab.components.helm import fitted
from lab.components.podinfo import Podinfo
from lab.config import StageSpec, joined
from lab.kube import manifests
from lab.lab import Lab
from lab.lifecycle import changes, reset
from lab.lifecycle.changes import Traffic
from lab.stacks import STACKS
from lab.stacks.istio.attempt_count import AttemptCount
from lab.stacks.istio.control_plane import place
from lab.stacks.istio.east_west_gateway import PORT, EastWestGateway
from lab.stacks.istio.ingress import Ingress
from lab.stacks.istio.remote_access import RemoteAccess, RemoteSecret
from lab.stacks.istio.trust import IstioTrust
from lab.stacks.istio.values import operator
from lab.stacks.linkerd import viz as linkerd_viz
from tests.unit.fake_api import FakeApi, kube, put


def one(objects: Any, kind: str) -> Any:
    return next(obj for obj in objects if obj["kind"] == kind)


def test_each_cluster_has_its_own_place_in_the_mesh(lab: Lab) -> None:
    spec = operator(place(lab, lab.clusters["east"]))["spec"]
    assert spec["meshConfig"]["trustDomain"] == "east.example"
    assert spec["meshConfig"]["trustDomainAliases"] == [*joined.TRUST_DOMAINS, "west.example"]
    assert spec["values"]["global"]["network"] == "net-east"
    assert spec["values"]["global"]["multiCluster"] == {"clusterName": "east"}
    assert spec["values"]["global"]["meshID"] == "dev"
    assert spec["meshConfig"]["serviceSettings"][0]["hosts"] == ["frontend.test.svc.cluster.local"]


def test_the_east_west_gateway_names_its_network_and_never_ends_mtls(lab: Lab) -> None:
    gateway = one(EastWestGateway().objects(lab, lab.clusters["east"]), "Gateway")
    port = {} if PORT == 15443 else {"networking.istio.io/gatewayPort": str(PORT)}
    labels = {"topology.istio.io/network": "net-east", **port}
    assert gateway["metadata"]["labels"] == labels, "istiod assumes 15443: see the comment at PORT"
    assert gateway["spec"]["listeners"][0]["tls"]["mode"] == "Passthrough"


def test_the_gateways_of_a_node_listen_on_different_ports(lab: Lab) -> None:
    objects = [obj for part in (EastWestGateway(), Ingress()) for obj in part.objects(lab, lab.clusters["east"])]
    ports = [listener["port"] for obj in objects if obj["kind"] == "Gateway" for listener in obj["spec"]["listeners"]]
    assert sorted(set(ports)) == sorted(ports), "change PORT in east_west_gateway.py or FROM_MESH_PORT in ingress.py"


def test_the_ingress_accepts_routes_of_the_applications_namespace_only(lab: Lab) -> None:
    objects = Ingress().objects(lab, lab.clusters["east"])
    allowed = one(objects, "Gateway")["spec"]["listeners"][0]["allowedRoutes"]["namespaces"]
    assert allowed["selector"]["matchLabels"] == {"kubernetes.io/metadata.name": "test"}
    assert one(objects, "HTTPRoute")["metadata"]["namespace"] == "test"


def test_applications_are_in_the_namespace_test_and_have_their_clusters_name(lab: Lab) -> None:
    east = lab.clusters["east"]
    objects = [*Podinfo().objects(lab, east), *Frontend().objects(lab, east)]
    assert {obj["metadata"]["namespace"] for obj in objects} == {"test"}
    env = one(Frontend().objects(lab, east), "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
    values = {e["name"]: e.get("value") for e in env}
    assert values["UPSTREAMS"] == (
        "podinfo=http://podinfo.test:9898,podinfo-west=http://podinfo-west.test:9898,my-service=http://my-service.test:80"
    )
    assert values["CLUSTER_NAME"] == "east"


def test_the_frontend_knows_the_port_of_the_labs_stage(lab: Lab) -> None:
    spec = lab.spec.model_copy(update={"stage": StageSpec(port=7999)})
    objects = Frontend().objects(replace(lab, spec=spec), lab.clusters["east"])
    env = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "STAGE_PORT", "value": "7999"} in env


def test_only_the_frontends_own_calls_tell_their_attempts(lab: Lab) -> None:
    east = lab.clusters["east"]
    (applied,) = AttemptCount().objects(lab, east)
    labels = one(Frontend().objects(lab, east), "Deployment")["spec"]["template"]["metadata"]["labels"]
    selected = applied["spec"]["workloadSelector"]["labels"]
    assert selected.items() <= labels.items()
    assert (applied["kind"], applied["metadata"]["namespace"]) == ("EnvoyFilter", "test")
    (patch,) = applied["spec"]["configPatches"]
    assert (patch["applyTo"], patch["match"]) == ("VIRTUAL_HOST", {"context": "SIDECAR_OUTBOUND"})
    assert patch["patch"] == {"operation": "MERGE", "value": {"include_attempt_count_in_response": True}}


def test_what_tells_attempts_belongs_to_the_lab_and_is_not_a_change(lab: Lab, apis: dict[str, FakeApi]) -> None:
    west, part = kube(apis["west"], "west"), STACKS["istio"].components(lab)["attempt-count"].component
    cluster = lab.clusters["west"]
    assert [part.apply(lab, cluster), part.apply(lab, cluster)] == [CHANGED, UNCHANGED]
    (applied,) = west.find("networking.istio.io/v1alpha3", "EnvoyFilter")
    assert lab.owner("attempt-count").labels.items() <= applied["metadata"]["labels"].items()
    assert changes.find(lab, Traffic(), ["west"], WireState()) == ()
    assert list(reset._objects_of_scenarios(lab, cluster)) == []
    part.remove(lab, cluster)
    assert west.find("networking.istio.io/v1alpha3", "EnvoyFilter") == []


def test_the_trust_secret_holds_the_clusters_issuer_and_the_common_anchor(lab: Lab) -> None:
    east, west = (IstioTrust().objects(lab, lab.clusters[name])[0]["data"] for name in ("east", "west"))
    assert east["root-cert.pem"] == west["root-cert.pem"]
    assert east["ca-cert.pem"] != west["ca-cert.pem"]
    assert b64decode(east["cert-chain.pem"]) == b64decode(east["ca-cert.pem"]) + b64decode(east["root-cert.pem"])


def test_another_cluster_may_only_read(lab: Lab) -> None:
    objects = RemoteAccess(source="west").objects(lab, lab.clusters["east"])
    rules = [rule for obj in objects if obj["kind"] in {"Role", "ClusterRole"} for rule in obj["rules"]]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert [rule["resources"] for rule in rules if "get" in rule["verbs"]] == [["configmaps"]]
    assert not [rule for rule in rules if "*" in rule["resources"] or "*" in rule["apiGroups"]]
    config_maps = [rule for rule in rules if "configmaps" in rule["resources"]]
    assert [rule["resourceNames"] for rule in config_maps] == [["istio"]]


# Kinds that `istioctl analyze` reads from a remote cluster, in addition to those that istiod reads.
@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("gateway.networking.k8s.io", "grpcroutes"),
        ("gateway.networking.k8s.io", "httproutes"),
        ("networking.istio.io", "envoyfilters"),
        ("networking.istio.io", "proxyconfigs"),
        ("networking.istio.io", "virtualservices"),
        ("security.istio.io", "authorizationpolicies"),
        ("security.istio.io", "requestauthentications"),
        ("telemetry.istio.io", "telemetries"),
        ("extensions.istio.io", "wasmplugins"),
    ],
)
def test_istioctls_analysis_may_list_what_it_waits_for(lab: Lab, group: str, kind: str) -> None:
    objects = RemoteAccess(source="west").objects(lab, lab.clusters["east"])
    rules = next(obj["rules"] for obj in objects if obj["kind"] == "ClusterRole")
    verbs = [set(rule["verbs"]) for rule in rules if group in rule["apiGroups"] and kind in rule["resources"]]
    assert verbs == [{"list", "watch"}]


@pytest.mark.usefixtures("lab")
def test_a_link_names_the_node_by_its_address_and_carries_the_targets_token(lab: Lab, apis: dict[str, FakeApi]) -> None:
    east = kube(apis["east"], "east")
    put(east, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "dev-east-control-plane"}})
    apis["east"].objects["/api/v1/nodes/dev-east-control-plane"]["status"] = {
        "addresses": [{"type": "InternalIP", "address": "172.30.0.2"}]
    }
    token = {"name": "istiod-of-west", "namespace": "istio-system"}
    put(
        east, {"apiVersion": "v1", "kind": "Secret", "metadata": token, "data": {"token": "dG9rZW4=", "ca.crt": "Q0E="}}
    )
    secret = RemoteSecret(target="east").objects(lab, lab.clusters["west"])[0]
    assert secret["metadata"]["labels"] == {"istio/multiCluster": "true"}
    config = manifests.load_document(b64decode(secret["data"]["east"]).decode())
    assert config["clusters"][0]["cluster"] == {
        "server": "https://172.30.0.2:6443",
        "certificate-authority-data": "Q0E=",
    }
    assert config["users"][0]["user"] == {"token": "token"}


def test_the_dashboards_parts_are_named_as_its_chart_names_them() -> None:
    images = {name: f"registry.test/l5d/{name}:1" for name in linkerd_viz.IMAGES}
    values = linkerd_viz.chart_values("west.example", images)
    assert values["metricsAPI"]["image"] == {
        "registry": "registry.test/l5d",
        "name": "linkerd-metrics-api",
        "tag": "1",
    }
    assert values["tapInjector"]["image"] == values["tap"]["image"]
    assert values["prometheus"]["image"]["name"] == "prometheus"
    assert values["identityTrustDomain"] == "west.example"


def test_rendered_containers_have_unique_variables_and_a_short_probe_period() -> None:
    container = {
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "A", "value": "3"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 1}},
    }
    patient = {"readinessProbe": {"periodSeconds": 7}}
    pod = {"containers": [container, patient]}
    fitted({"kind": "Deployment", "spec": {"template": {"spec": pod}}})
    assert container["env"] == [{"name": "A", "value": "3"}, {"name": "B", "value": "2"}]
    assert [c["readinessProbe"]["periodSeconds"] for c in pod["containers"]] == [2, 7]
    assert fitted({"kind": "Service", "spec": {}}) == {"kind": "Service", "spec": {}}
