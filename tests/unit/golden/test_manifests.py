"""The manifests of scenarios are the objects of the lab's verbs: status, reset and the verbs recognise them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import yaml

from lab.base.names import LAB_ID_LABEL, LAB_LABEL, NAMESPACE
from lab.base.paths import PROJECT
from lab.kube.objects import Obj
from lab.mesh import Caller, Failover, Mesh, Permission
from lab.stacks.istio.mesh import IstioMesh
from lab.stacks.linkerd import multicluster
from lab.stacks.linkerd.mesh import LinkerdMesh
from tests.unit.fake_api import FakeApi, kube, put
from tests.unit.golden import test_golden
from tests.unit.golden.test_golden import changed, service, snapshot

istio, linkerd = test_golden.istio, test_golden.linkerd
FRONTEND = Caller(cluster="west", namespace=NAMESPACE, service_account="frontend")
GATEWAYS_CALLERS = multicluster.everybody()["metadata"]["name"]
PROBES = {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
FAILOVERS = {"failover": ("west", "west", "east"), "failover-to-west": ("west", "east", "west")}
SPLITS = {
    "request_routing": ((50, 50), (90, 10), (0, 100), (100, 0)),
    "disaster_recovery": ((100, 0), (75, 25), (50, 50), (25, 75), (0, 100)),
}

Change = Callable[[Mesh], object]


def split(west: int, east: int) -> Change:
    return lambda mesh: mesh.split("west", "podinfo", {"podinfo": west, "podinfo-east": east})


def failover(cluster: str, primary: str, backup: str) -> Change:
    wanted = Failover(cluster=cluster, service="podinfo", primary=primary, backup=backup)
    return lambda mesh: mesh.fail_over(wanted)


def only_the_frontend(mesh: Mesh) -> None:
    paths = ("/api/info", "/headers")
    mesh.authorize(Permission(cluster="east", service="podinfo", callers=(FRONTEND,), methods=("GET",), paths=paths))


OF_BOTH: dict[str, Change] = {
    **{
        f"{scenario}/{{stack}}/split-{west}-{east}.yaml": split(west, east)
        for scenario, weights in SPLITS.items()
        for west, east in weights
    },
    **{f"disaster_recovery/{{stack}}/{name}.yaml": failover(*roles) for name, roles in FAILOVERS.items()},
    "isolation/{stack}/only-the-frontend.yaml": only_the_frontend,
}
OF_ISTIO: dict[str, Change] = {
    "disaster_recovery/istio/failover-of-backup.yaml": failover("east", "east", "west"),
}
OF_LINKERD: dict[str, Change] = {
    "cross_cluster_access/linkerd/plain-text.yaml": lambda mesh: mesh.require_mtls("west", required=False),
}


def as_in_a_file(obj: Obj) -> Obj:
    """Return an object without what the API server and the lab's own instance add."""
    metadata = {k: v for k, v in obj["metadata"].items() if k not in {"uid", "resourceVersion", "generation"}}
    labels = {k: v for k, v in metadata["labels"].items() if k not in {LAB_LABEL, LAB_ID_LABEL}}
    rest = {k: v for k, v in obj.items() if k not in {"cluster", "status"}}
    return {**rest, "metadata": {**metadata, "labels": labels}}


def by_name(objects: list[Obj]) -> dict[tuple[str, str], Obj]:
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}


def put_podinfo(apis: dict[str, FakeApi]) -> None:
    """Put podinfo's Service and a pod, with the selector and the probes of apps/podinfo, into each cluster."""
    labels = {"app.kubernetes.io/name": "podinfo"}
    wanted = service("podinfo")
    wanted["spec"]["selector"] = labels
    probes = {f"{kind}Probe": {"httpGet": {"path": path}} for kind, path in PROBES.items()}
    pod: Obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "podinfo-1", "namespace": NAMESPACE, "labels": labels},
        "spec": {"containers": [probes]},
    }
    for name, api in apis.items():
        put(kube(api, name), wanted)
        put(kube(api, name), pod)


def test_the_probes_are_those_of_podinfo() -> None:
    text = (PROJECT / "apps/podinfo/manifests/podinfo.yaml").read_text(encoding="utf-8")
    found = re.findall(r"(startup|readiness|liveness)Probe:\s+httpGet:\s+path: (\S+)", text)
    assert dict(found) == PROBES


def compare(file: str, mesh: Mesh, change: Change, apis: dict[str, FakeApi]) -> None:
    put_podinfo(apis)
    before = snapshot(apis)
    change(mesh)
    # A permission on Linkerd also changes the gateway's list of callers; for that, the step types a `kubectl patch`.
    own = [obj for obj in changed(before, snapshot(apis)) if obj["metadata"]["name"] != GATEWAYS_CALLERS]
    applied = by_name([as_in_a_file(obj) for obj in own])
    text = (PROJECT / "scenarios" / file).read_text(encoding="utf-8")
    assert by_name(list(yaml.safe_load_all(text))) == applied


@pytest.mark.parametrize("file", [*OF_BOTH, *OF_ISTIO])
def test_of_istio(istio: IstioMesh, apis: dict[str, FakeApi], file: str) -> None:
    compare(file.format(stack="istio"), istio, {**OF_BOTH, **OF_ISTIO}[file], apis)


@pytest.mark.parametrize("file", [*OF_BOTH, *OF_LINKERD])
def test_of_linkerd(linkerd: LinkerdMesh, apis: dict[str, FakeApi], file: str) -> None:
    compare(file.format(stack="linkerd"), linkerd, {**OF_BOTH, **OF_LINKERD}[file], apis)


@pytest.mark.parametrize("scenario", ["service_discovery", "isolation"])
def test_of_istios_export(istio: IstioMesh, apis: dict[str, FakeApi], scenario: str) -> None:
    assert istio.name == "istio"  # its fixture exported podinfo
    west = by_name([as_in_a_file(obj) for (name, _), obj in snapshot(apis).items() if name == "west" and owned(obj)])
    text = (PROJECT / "scenarios" / scenario / "istio" / "export-podinfo.yaml").read_text(encoding="utf-8")
    wanted = by_name(list(yaml.safe_load_all(text)))
    assert {key: obj for key, obj in west.items() if key in wanted} == wanted


def owned(obj: Obj) -> bool:
    return LAB_LABEL in obj["metadata"].get("labels", {})
