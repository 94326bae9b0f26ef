"""Compare the objects of splits, failovers, permissions, intercepts, exports, links and gateways with YAML files.

`pytest tests/unit/golden --write-golden` writes the files again; review the difference before you commit it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lab import config
from lab.base.errors import UsageError
from lab.base.names import NAMESPACE
from lab.kube import Kube, manifests
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.mesh import Caller, Failover, Intercept, Mesh, Permission
from lab.stacks.istio import control_plane, export
from lab.stacks.istio import failover as istio_failover
from lab.stacks.istio import ingress_route as istio_ingress_route
from lab.stacks.istio.east_west_gateway import EastWestGateway
from lab.stacks.istio.ingress import Ingress
from lab.stacks.istio.mesh import IstioMesh
from lab.stacks.istio.reduced import reduced
from lab.stacks.istio.values import operator
from lab.stacks.linkerd import emissary, multicluster
from lab.stacks.linkerd.control_plane import control_plane_values
from lab.stacks.linkerd.mesh import LinkerdMesh
from tests.unit.fake_api import FakeApi, kube, put

HERE = Path(__file__).parent
FRONTEND = Caller(cluster="west", namespace=NAMESPACE, service_account="frontend")
INTERCEPT = Intercept(cluster="west", service="cart", to="cart-dev", header="x-lab-dev", value="me")
CHANGES: dict[str, Callable[[Mesh], object]] = {
    "split": lambda mesh: mesh.split("west", "podinfo", {"podinfo": 90, "podinfo-east": 10}),
    "failover": lambda mesh: mesh.fail_over(Failover(cluster="west", service="podinfo", primary="west", backup="east")),
    "permission": lambda mesh: mesh.authorize(
        Permission(cluster="east", service="podinfo", callers=(FRONTEND,), methods=("GET",), paths=("/api/info",))
    ),
    "permission-nobody": lambda mesh: mesh.authorize(Permission(cluster="east", service="podinfo", callers=())),
    "intercept": lambda mesh: mesh.intercept(INTERCEPT),
}
THREE = 'name = "dev"\n[clusters.east]\n[clusters.west]\n[clusters.north]\n'


def service(name: str, **labels: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {"ports": [{"name": "http", "port": 9898, "targetPort": "http"}], "selector": {"app": name}},
    }


def put_services(apis: dict[str, FakeApi]) -> None:
    for name, api in apis.items():
        for wanted in ("podinfo", "cart", "cart-dev"):
            put(kube(api, name), service(wanted))


@pytest.fixture
def istio(lab: Lab, apis: dict[str, FakeApi]) -> IstioMesh:
    put_services(apis)
    export.apply(lab, "podinfo", "east")
    return IstioMesh(lab)


@pytest.fixture
def linkerd(lab: Lab, apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch) -> LinkerdMesh:
    monkeypatch.setattr(Kube, "wait_ready", lambda *_, **__: None)
    put_services(apis)
    mirrored = {multicluster.TARGET_LABEL: "east", multicluster.MIRRORED_LABEL: "true"}
    put(kube(apis["west"], "west"), service("podinfo-east", **mirrored))
    put(kube(apis["east"], "east"), multicluster.everybody())
    return LinkerdMesh(lab)


def snapshot(apis: dict[str, FakeApi]) -> dict[tuple[str, str], Obj]:
    return {(cluster, path): obj for cluster, api in apis.items() for path, obj in api.objects.items()}


def changed(before: dict[tuple[str, str], Obj], after: dict[tuple[str, str], Obj]) -> list[Obj]:
    """Return the objects that were created or changed, each with its cluster under the key `cluster`."""
    return [{"cluster": key[0], **obj} for key, obj in sorted(after.items()) if before.get(key) != obj]


def as_yaml(objects: Sequence[Obj]) -> str:
    """Return objects or charts' values as YAML, without uid, resourceVersion and generation."""
    documents = []
    for obj in objects:
        ignored = {"uid", "resourceVersion", "generation"}
        metadata = {key: value for key, value in obj.get("metadata", {}).items() if key not in ignored}
        documents.append(manifests.dump({**obj, **({"metadata": metadata} if metadata else {})}))
    return "---\n".join(documents)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Sequence[Obj]], None]:
    """Compare objects with a file, or write it with --write-golden."""

    def compare(name: str, objects: Sequence[Obj]) -> None:
        file, text = HERE / f"{name}.yaml", as_yaml(objects)
        if request.config.getoption("--write-golden"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        command = "pytest tests/unit/golden --write-golden"
        assert file.read_text(encoding="utf-8") == text, f"{file.name} has changed; if that is intended: {command}"

    return compare


Golden = Callable[[str, Sequence[Obj]], None]


@pytest.mark.parametrize("change", CHANGES)
def test_istio(istio: IstioMesh, apis: dict[str, FakeApi], golden: Golden, change: str) -> None:
    before = snapshot(apis)
    CHANGES[change](istio)
    golden(f"istio/{change}", changed(before, snapshot(apis)))


@pytest.mark.parametrize("change", CHANGES)
def test_linkerd(linkerd: LinkerdMesh, apis: dict[str, FakeApi], golden: Golden, change: str) -> None:
    before = snapshot(apis)
    CHANGES[change](linkerd)
    golden(f"linkerd/{change}", changed(before, snapshot(apis)))


@pytest.mark.parametrize(("primary", "backup"), [("west", "east"), ("east", "west")])
def test_istios_failover_among_three_clusters(
    lab: Lab, istio: IstioMesh, apis: dict[str, FakeApi], *, golden: Golden, primary: str, backup: str
) -> None:
    three = replace(lab, spec=config.parse(THREE))
    before = snapshot(apis)
    istio_failover.apply(three, Failover(cluster="west", service="podinfo", primary=primary, backup=backup))
    objects = [obj for obj in changed(before, snapshot(apis)) if obj["kind"] == "DestinationRule"]
    golden(f"istio/failover-of-three-{primary}-first", objects)


@pytest.mark.parametrize(
    ("toml", "primary", "reason"),
    [
        (THREE, "north", "west's own pods would come before those of the backup east"),
        (THREE.replace("east]", 'east]\nregion = "north"'), "west", "clusters of this lab share one: .*east north"),
    ],
)
def test_istio_refuses_a_backup_that_would_not_have_the_second_priority(
    lab: Lab, istio: IstioMesh, apis: dict[str, FakeApi], *, toml: str, primary: str, reason: str
) -> None:
    three = replace(lab, spec=config.parse(toml))
    before = snapshot(apis)
    with pytest.raises(UsageError, match=reason):
        istio_failover.apply(three, Failover(cluster="west", service="podinfo", primary=primary, backup="east"))
    assert snapshot(apis) == before


def failover_of(*order: str) -> Failover:
    primary, backup, *further = order
    return Failover(cluster="west", service="podinfo", primary=primary, backup=backup, further=tuple(further))


SIX = ("north", "bay", "west", "alps", "east", "south")


def test_istios_order_of_six_clusters(lab: Lab, istio: IstioMesh, apis: dict[str, FakeApi], golden: Golden) -> None:
    tables = "".join(f"[clusters.{name}]\n" for name in ("north", "south", "alps", "bay"))
    six = replace(lab, spec=config.parse(f'name = "dev"\n{tables}'))
    before = snapshot(apis)
    istio_failover.apply(six, failover_of(*SIX))
    objects = [obj for obj in changed(before, snapshot(apis)) if obj["metadata"]["name"] == "podinfo-failover"]
    golden("istio/failover-of-six", objects)
    assert IstioMesh(lab).failovers(["west"]) == [failover_of(*SIX)]
    assert IstioMesh(lab).unfail_over("west", "podinfo")
    assert IstioMesh(lab).failovers(["west"]) == []


def test_linkerds_order_of_three_clusters(linkerd: LinkerdMesh, apis: dict[str, FakeApi], golden: Golden) -> None:
    labels = {multicluster.TARGET_LABEL: "north", multicluster.MIRRORED_LABEL: "true"}
    put(kube(apis["west"]), service("podinfo-north", **labels))
    before = snapshot(apis)
    linkerd.fail_over(failover_of("west", "east", "north"))
    routes = [obj for obj in changed(before, snapshot(apis)) if obj["kind"] == "HTTPRoute"]
    golden("linkerd/failover-of-three", routes)
    assert linkerd.failovers(["west"]) == [failover_of("west", "east", "north")]


def test_linkerd_refuses_an_order_that_weights_cannot_express(linkerd: LinkerdMesh, apis: dict[str, FakeApi]) -> None:
    before = snapshot(apis)
    with pytest.raises(UsageError, match="no order of 4 clusters") as raised:
        linkerd.fail_over(failover_of("west", "east", "north", "south"))
    assert raised.value.next == "name at most two backups"
    assert snapshot(apis) == before


def test_istios_export(lab: Lab, apis: dict[str, FakeApi], golden: Golden) -> None:
    put_services(apis)
    before = snapshot(apis)
    export.apply(lab, "podinfo", "east")
    golden("istio/export", changed(before, snapshot(apis)))


def test_istios_gateways(lab: Lab, golden: Golden) -> None:
    golden("istio/gateway-east-west", EastWestGateway().objects(lab, lab.east))
    golden("istio/gateway-ingress", Ingress().objects(lab, lab.east))


def test_istios_values_and_mtls(lab: Lab, golden: Golden) -> None:
    release = operator(control_plane.place(lab, lab.east))
    golden("istio/operator", [release])
    golden("istio/operator-reduced", [reduced(release)])
    golden("istio/mtls", [control_plane.STRICT])


def test_istios_ingress_route(golden: Golden) -> None:
    identity = "spiffe://east.example/ns/istio-ingress/sa/ingress-istio"
    calling = istio_ingress_route.caller_objects("podinfo", "east", 9898, address="172.30.0.2", identity=identity)
    golden("istio/ingress-route", [istio_ingress_route.route("podinfo", "east", 9898), *calling])


def test_linkerds_gateways(golden: Golden) -> None:
    golden("linkerd/gateway-admits-everybody", [multicluster.everybody()])
    golden("linkerd/ingress", emissary.routes())
    golden("linkerd/ingress-for-the-mesh", emissary.from_mesh())


def test_linkerds_values(lab: Lab, golden: Golden) -> None:
    controller, proxy = (lab.artifacts.image(f"linkerd-{name}") for name in ("controller", "proxy"))
    golden("linkerd/control-plane-values", [control_plane_values("east.example", controller=controller, proxy=proxy)])
    golden("linkerd/gateway-values-east", [multicluster.extension_values(lab, "east")])
    golden("linkerd/gateway-values-west", [multicluster.extension_values(lab, "west")])
    golden("linkerd/ingress-values", [emissary.chart_values("eastwest-lab/emissary", "1")])


def test_linkerd_accepts_plain_text(linkerd: LinkerdMesh, apis: dict[str, FakeApi], golden: Golden) -> None:
    before = snapshot(apis)
    linkerd.require_mtls("west", required=False)
    golden("linkerd/plain-text", changed(before, snapshot(apis)))


def test_linkerds_ingress_route(linkerd: LinkerdMesh, apis: dict[str, FakeApi], golden: Golden) -> None:
    ingress = next(obj for obj in emissary.from_mesh() if obj["kind"] == "Service")
    put(kube(apis["east"], "east"), ingress)
    metadata = {**ingress["metadata"], "name": "emissary-from-mesh-east", "labels": {multicluster.TARGET_LABEL: "east"}}
    put(kube(apis["west"], "west"), {**ingress, "metadata": metadata})
    before = snapshot(apis)
    linkerd.add_ingress_route("podinfo", "east")
    golden("linkerd/ingress-route", changed(before, snapshot(apis)))
