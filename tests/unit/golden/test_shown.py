"""What `--show` prints for each verb, on both stacks, and that a person who applies it gets what the verb makes.

`pytest tests/unit/golden --write-golden` writes the files again; review the difference before you commit it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.base.errors import LabError
from lab.base.names import LAB_ID_LABEL, LAB_LABEL, NAMESPACE
from lab.kube import Kube, connect
from lab.kube.objects import Obj
from lab.kube.preview import planned
from lab.kube.shown import NOTHING, as_records, as_text
from lab.lab import Lab
from lab.mesh import Caller, Failover, Intercept, Permission
from lab.stacks.istio import ingress as istio_ingress
from lab.stacks.istio.mesh import IstioMesh
from lab.stacks.linkerd import emissary, multicluster, traffic_split
from lab.stacks.linkerd.mesh import LinkerdMesh
from tests.unit.conftest import Artifacts
from tests.unit.fake_api import KINDS, FakeApi, kube, put
from tests.unit.golden.test_golden import service
from tests.unit.kubectl import follow

HERE = Path(__file__).parent
Change = Callable[[Any], object]
Apis = dict[str, FakeApi]
FRONTEND = Caller(cluster="west", namespace=NAMESPACE, service_account="frontend")
WEIGHTS = {"podinfo": 90, "podinfo-east": 10}


def split(mesh: Any) -> object:
    return mesh.split("west", "podinfo", WEIGHTS)


def failover(mesh: Any) -> object:
    return mesh.fail_over(Failover(cluster="west", service="podinfo", primary="west", backup="east"))


def permission(mesh: Any) -> object:
    wanted = Permission(cluster="east", service="podinfo", callers=(FRONTEND,), methods=("GET",), paths=("/api/info",))
    return mesh.authorize(wanted)


def intercept(mesh: Any) -> object:
    return mesh.intercept(Intercept(cluster="west", service="cart", to="cart-dev", header="x-lab-dev", value="me"))


def traffic_split_there(mesh: Any) -> object:
    west = connect(mesh.lab.west)
    metadata = {"name": "podinfo.test.svc.cluster.local", "namespace": NAMESPACE}  # as the adaptor creates it
    put(west, {"apiVersion": "linkerd.io/v1alpha2", "kind": "ServiceProfile", "metadata": metadata, "spec": {}})
    return mesh.lab.owned(west, "split").apply(traffic_split.build("podinfo", WEIGHTS))


@dataclass(frozen=True)
class Verb:
    """A change, and what must have been done before it."""

    change: Change
    before: tuple[Change, ...] = ()


def export(mesh: Any) -> object:
    return mesh.export("podinfo", "east")


def ingress_route(mesh: Any) -> object:
    return mesh.add_ingress_route("podinfo", "east")


VERBS = {
    "export": Verb(export),
    "unexport": Verb(lambda mesh: mesh.unexport("podinfo", "east"), (export,)),
    "export-by-ingress": Verb(ingress_route),
    "unexport-by-ingress": Verb(lambda mesh: mesh.remove_ingress_route("podinfo", "east"), (ingress_route,)),
    "split": Verb(split, (export,)),
    "unsplit": Verb(lambda mesh: mesh.unsplit("west", "podinfo"), (export, split)),
    "failover": Verb(failover, (export,)),
    "unfailover": Verb(lambda mesh: mesh.unfail_over("west", "podinfo"), (export, failover)),
    "authorize": Verb(permission),
    "unauthorize": Verb(lambda mesh: mesh.unauthorize("east", "podinfo"), (permission,)),
    "intercept": Verb(intercept),
    "remove-intercept": Verb(lambda mesh: mesh.remove_intercept("west", "cart"), (intercept,)),
}
LINKERD_ONLY = {
    "export-direct": Verb(lambda mesh: mesh.export_direct("podinfo", "east")),
    "unexport-direct": Verb(
        lambda mesh: mesh.unexport("podinfo-direct", "east"), (lambda mesh: mesh.export_direct("podinfo", "east"),)
    ),
    "federate": Verb(lambda mesh: mesh.federate("podinfo")),
    "unfederate": Verb(lambda mesh: mesh.unfederate("podinfo"), (lambda mesh: mesh.federate("podinfo"),)),
    "unsplit-smi": Verb(lambda mesh: mesh.unsplit("west", "podinfo"), (traffic_split_there,)),
}
CASES = [
    *(("istio", name, verb) for name, verb in VERBS.items()),
    *(("linkerd", name, verb) for name, verb in {**VERBS, **LINKERD_ONLY}.items()),
]
each_case = pytest.mark.parametrize(("stack", "name", "verb"), CASES, ids=[f"{s}-{n}" for s, n, _ in CASES])


def nodes(apis: Apis) -> None:
    for number, (name, api) in enumerate(apis.items(), start=2):
        address = {"type": "InternalIP", "address": f"172.30.0.{number}"}
        metadata = {"name": f"dev-{name}-control-plane"}
        put(
            kube(api, name),
            {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": {"addresses": [address]}},
        )


def load_balancer(name: str, namespace: str) -> Obj:
    status = {"loadBalancer": {"ingress": [{"ip": "172.30.0.2"}]}}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {}, "status": status}


@pytest.fixture
def mesh_of(lab: Lab, apis: Apis) -> Callable[[str], Any]:
    """A mesh of a lab that is up, with the mirrors that Linkerd's controllers create for all exports."""

    def make(stack: str) -> Any:
        nodes(apis)
        for name, api in apis.items():
            for wanted in ("podinfo", "cart", "cart-dev"):
                put(kube(api, name), service(wanted))
        east, west = (kube(apis[name], name) for name in ("east", "west"))
        if stack == "istio":
            gateway = istio_ingress.Ingress().service
            put(east, load_balancer(gateway.name, gateway.namespace))
            return IstioMesh(lab)
        mark = {multicluster.TARGET_LABEL: "east", multicluster.MIRRORED_LABEL: "true"}
        put(west, service("podinfo-east", **mark))
        put(east, multicluster.everybody())
        put(east, load_balancer(multicluster.GATEWAY.name, multicluster.GATEWAY.namespace))
        entrance = next(obj for obj in emissary.from_mesh() if obj["kind"] == "Service")
        put(east, entrance)
        put(west, {**entrance, "metadata": {**entrance["metadata"], "name": "emissary-from-mesh-east", "labels": mark}})
        network = lab.spec.network.model_copy(update={"flat": True})
        return LinkerdMesh(replace(lab, spec=lab.spec.model_copy(update={"network": network})))

    return make


def without_controllers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let real changes not wait for controllers, which these API servers lack."""
    monkeypatch.setattr(Kube, "wait_until", lambda *_, **__: None)


@pytest.fixture
def prepared(mesh_of: Callable[[str], Any], stack: str, verb: Verb) -> Any:
    """The mesh before the verb. No wait is patched while the test itself runs."""
    mesh = mesh_of(stack)
    with pytest.MonkeyPatch.context() as patched:
        without_controllers(patched)
        for change in verb.before:
            change(mesh)
    return mesh


def state(apis: Apis) -> dict[tuple[str, str], Obj]:
    """Return all objects, without counters and without the labels of one lab."""
    objects = {(name, path): copy.deepcopy(obj) for name, api in apis.items() for path, obj in api.objects.items()}
    for obj in objects.values():
        for counter in ("uid", "resourceVersion", "generation"):
            obj["metadata"].pop(counter, None)
        labels = obj["metadata"].get("labels") or {}
        obj["metadata"]["labels"] = {k: v for k, v in labels.items() if k not in {LAB_LABEL, LAB_ID_LABEL}}
    return objects


def raw(apis: Apis) -> str:
    return json.dumps({name: [api.objects, api.version] for name, api in apis.items()})


@each_case
def test_the_output_is_as_in_the_file(
    prepared: Any, apis: Apis, stack: str, *, name: str, verb: Verb, request: pytest.FixtureRequest
) -> None:
    before = raw(apis)
    shown = planned(lambda: verb.change(prepared))
    assert raw(apis) == before
    file, text = HERE / stack / "shown" / f"{name}.txt", as_text(shown.writes)
    if request.config.getoption("--write-golden"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    command = "pytest tests/unit/golden --write-golden"
    assert file.read_text(encoding="utf-8") == text, f"{file.name} has changed; if that is intended: {command}"


@each_case
def test_applied_by_hand_the_output_makes_what_the_verb_makes(
    prepared: Any, apis: Apis, monkeypatch: pytest.MonkeyPatch, *, stack: str, name: str, verb: Verb
) -> None:
    start = {cluster: copy.deepcopy(api.objects) for cluster, api in apis.items()}
    text = as_text(planned(lambda: verb.change(prepared)).writes)
    follow(apis, text)
    by_hand = state(apis)
    without_controllers(monkeypatch)
    verb.change(prepared)
    assert state(apis) == by_hand  # the lab recognises the objects as its own, and has nothing to change
    for cluster, api in apis.items():
        api.objects = start[cluster]
    verb.change(prepared)
    assert state(apis) == by_hand


@each_case
def test_the_yaml_is_the_objects(prepared: Any, stack: str, name: str, verb: Verb) -> None:
    shown = planned(lambda: verb.change(prepared))
    objects = [write.object for write in shown.writes if write.object is not None]
    if objects:
        text = as_text(shown.writes)
        assert [obj for obj in yaml.safe_load_all(text) if obj] == objects
        assert "&id" not in text
    for obj in objects:
        labels = obj["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "eastwest-lab"
        assert not {LAB_LABEL, LAB_ID_LABEL} & labels.keys()
        assert not {"managedFields", "uid", "resourceVersion"} & obj["metadata"].keys()
        assert "status" not in obj
    for record in json.loads(json.dumps(as_records(shown.writes))):
        assert record["cluster"] in {"east", "west"}
        assert (record["action"] == "apply") == ("object" in record)
        assert record["command"].startswith(f"kubectl --context={record['cluster']} ")


@pytest.mark.parametrize("stack", ["istio", "linkerd"])
def test_an_undo_without_anything_to_undo_shows_nothing(mesh_of: Callable[[str], Any], stack: str) -> None:
    mesh = mesh_of(stack)
    for name, verb in VERBS.items():
        if name.startswith(("un", "remove")):
            writes = planned(lambda verb=verb: verb.change(mesh)).writes  # type: ignore[misc]
            assert as_text(writes) == NOTHING


def failures(stack: str) -> Iterable[Change]:
    yield lambda mesh: mesh.export("nothing", "east")
    yield lambda mesh: mesh.split("west", "podinfo", {"podinfo": 0})
    yield lambda mesh: mesh.split("west", "podinfo", {"podinfo": 1, "cart": 1})
    yield lambda mesh: mesh.fail_over(Failover(cluster="west", service="nothing", primary="west", backup="east"))
    yield lambda mesh: mesh.authorize(Permission(cluster="east", service="nothing", callers=()))
    yield lambda mesh: mesh.add_ingress_route("nothing", "east")
    if stack == "linkerd":
        yield lambda mesh: mesh.export("podinfo", "west")
        yield lambda mesh: mesh.split_smi("west", "podinfo", {"podinfo": 1})
        yield lambda mesh: mesh.federate("nothing")
        yield lambda mesh: mesh.export_direct("nothing", "east")


@pytest.mark.parametrize("stack", ["istio", "linkerd"])
def test_errors_are_those_of_the_verb(mesh_of: Callable[[str], Any], apis: Apis, stack: str) -> None:
    mesh = mesh_of(stack)
    before = raw(apis)
    for change in failures(stack):
        with pytest.raises(LabError) as real:
            change(mesh)
        with pytest.raises(LabError) as shown:
            planned(lambda change=change: change(mesh))  # type: ignore[misc]
        assert (type(shown.value), str(shown.value)) == (type(real.value), str(real.value))
    assert raw(apis) == before


def test_a_split_and_a_failover_exclude_each_other_within_one_preview(mesh_of: Callable[[str], Any]) -> None:
    for stack in ("istio", "linkerd"):
        mesh = mesh_of(stack)

        def both(mesh: Any = mesh) -> None:
            mesh.split("west", "podinfo", {"podinfo": 1})
            failover(mesh)

        with pytest.raises(LabError, match="are split already"):
            planned(both)


class Available(Artifacts):
    def unobtainable(self, names: Iterable[str]) -> None:
        del names


def test_a_traffic_split_names_the_extension_that_is_missing(
    mesh_of: Callable[[str], Any], apis: Apis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(KINDS, "split.smi-spec.io/v1alpha2")
    mesh = mesh_of("linkerd")
    mesh = LinkerdMesh(replace(mesh.lab, artifacts=Available()))
    before = raw(apis)
    shown = planned(lambda: mesh.split_smi("west", "podinfo", WEIGHTS))
    assert [write.ref.kind for write in shown.writes] == ["TrafficSplit"]
    assert ["SMI extension" in need for need in shown.needs] == [True]
    assert raw(apis) == before
