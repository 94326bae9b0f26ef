"""How each stack's routes, permissions and links read in a panel: from the very objects that the lab applies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.base.paths import PROJECT
from lab.kube import manifests
from lab.kube.objects import Obj
from lab.stacks import STACKS
from lab.stacks.istio import attempt_count
from lab.stacks.istio import panel as istio
from lab.stacks.linkerd import panel as linkerd
from lab.stacks.panel import LinkSight, http_route
from lab.stage.faults.latency import MANIFEST

GOLDEN = PROJECT / "tests" / "unit" / "golden"
WORDS = {
    "linkerd/split.yaml": ["podinfo: 90 % podinfo, 10 % podinfo-east"],
    "linkerd/failover.yaml": ["podinfo: first podinfo, then podinfo-east"],
    "linkerd/intercept.yaml": ["cart: x-lab-dev=me → cart-dev; cart"],
    "linkerd/permission-nobody.yaml": ["port http of podinfo: only callers with a permission"],
    "linkerd/plain-text.yaml": ["port http of all pods: anybody"],
    "linkerd/gateway-admits-everybody.yaml": ["every identity of the mesh"],
    "linkerd/ingress.yaml": ["/ → frontend", "/podinfo/ → podinfo"],
    "linkerd/ingress-for-the-mesh.yaml": ["port 8082 of emissary-ingress: every identity of the mesh"],
    "linkerd/ingress-route.yaml": [
        "/ x-lab-carry=podinfo → podinfo",
        "podinfo-by-ingress-east: emissary-from-mesh-east",
    ],
    "linkerd/permission.yaml": [
        "frontend.test",
        "podinfo-callers may call podinfo-allowed",
        "linkerd-gateway.linkerd-multicluster",
        "podinfo-http: GET /api/info",
        "port http of podinfo: only callers with a permission",
    ],
    "istio/split.yaml": ["podinfo: 90 % west, 10 % east"],
    "istio/failover.yaml": [
        "podinfo: first west",
        "podinfo: podinfo, 3 retries",
        "podinfo: the health of endpoints counts at once",
    ],
    "istio/intercept.yaml": ["cart: x-lab-dev=me → cart-dev; cart"],
    "istio/permission.yaml": ["podinfo: ALLOW west.example/ns/test/sa/frontend"],
    "istio/permission-nobody.yaml": ["podinfo: ALLOW nobody"],
    "istio/mtls.yaml": ["all pods: mTLS STRICT"],
    "istio/export.yaml": ["podinfo: subsets east, west", "podinfo: subsets east, west", "podinfo-east: east"],
    "istio/gateway-ingress.yaml": ["ingress: frontend"],
}


@pytest.mark.parametrize("file", WORDS)
def test_objects_of_the_lab_read_as_what_they_do(file: str) -> None:
    kinds = {(one.api_version, one.kind): one for one in STACKS[file.partition("/")[0]].panel.policies}
    objects = manifests.load(GOLDEN / file)
    found = [(obj, kinds.get((obj["apiVersion"], obj["kind"]))) for obj in objects]
    assert [kind.words(obj) for obj, kind in found if kind is not None] == WORDS[file]


@pytest.mark.parametrize(
    ("file", "words"),
    [(attempt_count.MANIFEST, "frontend: answers tell their attempts"), (MANIFEST, "changes the proxies of podinfo")],
)
def test_a_filter_of_proxies_says_whose_and_the_labs_own_says_what(file: Path, words: str) -> None:
    (obj,) = manifests.load(file)
    assert istio.envoy_filter(obj) == words


def link(**status: Any) -> Obj:
    return {"metadata": {"name": "east"}, "spec": {"targetClusterName": "east"}, "status": status}


def mirrored(name: str, status: str = "True", **condition: str) -> Obj:
    return {"remoteRef": {"name": name}, "conditions": [{"type": "Mirrored", "status": status, **condition}]}


@pytest.mark.parametrize(
    ("obj", "sight"),
    [
        (link(), LinkSight(target="east", ok=True, words="no service mirrored")),
        (link(mirrorServices=[mirrored("podinfo")]), LinkSight(target="east", ok=True, words="1 service mirrored")),
        (
            link(mirrorServices=[mirrored("podinfo")], federatedServices=[mirrored("greeter")]),
            LinkSight(target="east", ok=True, words="2 services mirrored"),
        ),
        (
            link(mirrorServices=[mirrored("podinfo"), mirrored("cart", "False", message="namespace missing")]),
            LinkSight(target="east", ok=False, words="cart is not mirrored: namespace missing"),
        ),
    ],
)
def test_a_link_says_which_services_are_mirrored(obj: Obj, sight: LinkSight) -> None:
    assert linkerd.link(obj) == sight


def test_weights_of_smi_are_quantities() -> None:
    backends = [{"service": "podinfo", "weight": "500m"}, {"service": "podinfo-east", "weight": 1.5}]
    split = {"metadata": {"name": "podinfo"}, "spec": {"service": "podinfo", "backends": backends}}
    assert linkerd.traffic_split(split) == "podinfo: 25 % podinfo, 75 % podinfo-east"
    overrides = [{"authority": "podinfo.test.svc.cluster.local:9898", "weight": "1"}]
    assert linkerd.profile({"metadata": {"name": "podinfo.test"}, "spec": {"dstOverrides": overrides}}) == (
        "podinfo: podinfo"
    )


def test_a_route_without_rules_is_its_parent() -> None:
    assert http_route({"metadata": {"name": "a"}, "spec": {"parentRefs": [{"name": "podinfo"}]}}) == "podinfo"
