"""The scenarios' manifests have the same objects as the lab's commands print with `--show`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.base.names import NAMESPACE, SCENARIO_LABEL
from lab.kube import shown
from lab.kube.manifests import dump, load, parse
from lab.kube.objects import Obj, ref
from lab.kube.preview import Preview, preview
from lab.kube.preview import planned as plan
from lab.kube.writes import Verb
from lab.lab import Lab
from lab.mesh import Caller, Failover, Mesh, Permission
from lab.scenario import registry
from lab.stacks.istio.mesh import IstioMesh
from lab.stacks.linkerd import multicluster
from lab.stacks.linkerd.mesh import LinkerdMesh
from tests.unit.fake_api import FakeApi, kube, put
from tests.unit.scenarios.kit import target

FRONTEND = Caller(cluster="west", namespace=NAMESPACE, service_account="frontend")
PODINFO = {"app.kubernetes.io/name": "podinfo"}
LEDGER = {SCENARIO_LABEL: "isolation"}
STACKS: dict[str, Callable[[Lab], Mesh]] = {"istio": IstioMesh, "linkerd": LinkerdMesh}
Change = Callable[[Mesh], object]


def split(west: int, east: int) -> Change:
    return lambda mesh: mesh.split("west", "podinfo", {"podinfo": west, "podinfo-east": east})


def failover(cluster: str, primary: str, backup: str) -> Change:
    wanted = Failover(cluster=cluster, service="podinfo", primary=primary, backup=backup)
    return lambda mesh: mesh.fail_over(wanted)


ONLY = Permission(
    cluster="east", service="podinfo", callers=(FRONTEND,), methods=("GET",), paths=("/api/info", "/headers")
)
NOBODY = Permission(cluster="east", service="ledger", callers=())
WEIGHTS = ((100, 0), (75, 25), (50, 50), (25, 75), (0, 100))
SAME: list[tuple[str, str, str, Change]] = [
    *((s, f"request_routing/{s}/split-{w}-{e}.yaml", "west", split(w, e))
      for s in STACKS for w, e in ((50, 50), (90, 10), (0, 100), (100, 0))),
    *((s, f"disaster_recovery/{s}/split-{w}-{e}.yaml", "west", split(w, e)) for s in STACKS for w, e in WEIGHTS),
    *((s, f"distance/{s}/split-{w}-{e}.yaml", "west", split(w, e))
      for s in STACKS for w, e in ((100, 0), (50, 50), (0, 100))),
    *((s, f"distance/{s}/failover.yaml", "west", failover("west", "west", "east")) for s in STACKS),
    *((s, f"disaster_recovery/{s}/failover.yaml", "west", failover("west", "west", "east")) for s in STACKS),
    *((s, f"disaster_recovery/{s}/failover-to-west.yaml", "west", failover("west", "east", "west")) for s in STACKS),
    ("istio", "disaster_recovery/istio/failover-of-backup.yaml", "east", failover("east", "east", "west")),
    *((s, f"isolation/{s}/only-the-frontend.yaml", "east", lambda mesh: mesh.authorize(ONLY)) for s in STACKS),
    *((s, f"isolation/{s}/nobody.yaml", "east", lambda mesh: mesh.authorize(NOBODY)) for s in STACKS),
    ("istio", "isolation/istio/export-podinfo.yaml", "west", lambda mesh: mesh.export("podinfo", "east")),
    ("istio", "isolation/istio/export-ledger.yaml", "west", lambda mesh: mesh.export("ledger", "east")),
    ("istio", "isolation/istio/subsets-ledger.yaml", "east", lambda mesh: mesh.export("ledger", "east")),
    ("istio", "service_discovery/istio/export-podinfo.yaml", "west", lambda mesh: mesh.export("podinfo", "east")),
    ("istio", "service_discovery/istio/export-greeter-8000.yaml", "west", lambda mesh: mesh.export("greeter", "east")),
    ("istio", "service_discovery/istio/subsets-greeter.yaml", "east", lambda mesh: mesh.export("greeter", "east")),
    ("linkerd", "cross_cluster_access/linkerd/plain-text.yaml", "west",
     lambda mesh: mesh.require_mtls("west", required=False)),
]  # fmt: skip


def service(name: str, selector: dict[str, str], port: dict[str, object], **labels: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {"selector": selector, "ports": [port]},
    }


def pod(name: str, labels: dict[str, str], *paths: str) -> Obj:
    kinds = zip(("startupProbe", "readinessProbe"), paths, strict=False)
    containers = [{"name": "app", **{kind: {"httpGet": {"path": path}} for kind, path in kinds}}]
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


@pytest.fixture
def mesh(lab: Lab, apis: dict[str, FakeApi]) -> Callable[[str], Mesh]:
    """The applications of a lab, and what an earlier `lab up` exported."""
    http = {"name": "http", "port": 9898, "targetPort": "http", "appProtocol": "http"}
    for name, api in apis.items():
        put(kube(api, name), service("podinfo", PODINFO, http))
        put(kube(api, name), pod("podinfo-1", PODINFO, "/healthz", "/readyz"))
    east = kube(apis["east"], "east")
    put(east, service("greeter", PODINFO, {"port": 8000, "targetPort": "http", "appProtocol": "http"}))
    put(east, service("ledger", LEDGER, {"name": "http", "port": 8080, "targetPort": 8080, "appProtocol": "http"}))
    put(east, pod("ledger", LEDGER))

    def of(stack: str) -> Mesh:
        if stack == "linkerd":
            mirrored = {multicluster.TARGET_LABEL: "east", multicluster.MIRRORED_LABEL: "true"}
            put(kube(apis["west"], "west"), service("podinfo-east", {}, http, **mirrored))
            put(east, multicluster.everybody())
        else:
            IstioMesh(lab).export("podinfo", "east")
        return STACKS[stack](lab)

    return of


def planned(mesh: Mesh, change: Change) -> Preview:
    return plan(lambda: change(mesh))


@pytest.mark.parametrize(("stack", "file", "cluster", "change"), SAME, ids=[case[1] for case in SAME])
def test_a_manifest_has_the_objects_of_the_command(
    mesh: Callable[[str], Mesh], apis: dict[str, FakeApi], *, stack: str, file: str, cluster: str, change: Change
) -> None:
    found = planned(mesh(stack), change)
    writes = {w.ref: w.object for w in found.writes if w.cluster.context == cluster and w.verb is Verb.APPLY}
    for obj in load(registry.folder() / file):
        assert dump(normal(writes[ref(obj)])) == dump(normal(obj))


def test_the_command_of_the_step_counts_failures_as_the_verb_does(
    mesh: Callable[[str], Mesh], apis: dict[str, FakeApi]
) -> None:
    found = planned(mesh("linkerd"), failover("west", "west", "east"))
    (patch,) = (w.body["metadata"]["annotations"] for w in found.writes if w.verb is Verb.PATCH)
    (line,) = (one for one in disaster_recovery("linkerd") if " annotate service podinfo --overwrite " in one)
    assert dict(word.split("=", 1) for word in shlex.split(line) if word.startswith("balancer.")) == patch
    assert not [one for one in disaster_recovery("istio") if " annotate " in one]


def disaster_recovery(stack: str) -> list[str]:
    """Return the lines of the step that applies the failover."""
    whole = registry.registry(target(stack, Path("/nowhere"))).scenarios["disaster_recovery"]
    return [line.replace("\\\n", " ") for step in whole.steps if step.name == "failover" for line in step.lines]


def normal(obj: Obj) -> Obj:
    """Return an object with its metadata in one order."""
    metadata = {key: dict(sorted(v.items())) if isinstance(v, dict) else v for key, v in obj["metadata"].items()}
    return {**obj, "metadata": dict(sorted(metadata.items()))}


@pytest.mark.parametrize("stack", STACKS)
def test_a_preview_changes_nothing_and_its_text_is_yaml(
    mesh: Callable[[str], Mesh], apis: dict[str, FakeApi], stack: str
) -> None:
    made = mesh(stack)
    before = {name: dict(api.objects) for name, api in apis.items()}
    text = shown.as_text(planned(made, split(50, 50)).writes)
    assert {name: dict(api.objects) for name, api in apis.items()} == before
    assert "# kubectl --context=west apply -f -\n" in text
    assert all(config_free(obj) for obj in parse(text, source="--show"))


def config_free(obj: Obj) -> bool:
    return not {"eastwest.lab/lab", "eastwest.lab/lab-id"} & set(obj["metadata"]["labels"])


def test_a_label_is_a_label_command(mesh: Callable[[str], Mesh]) -> None:
    made = mesh("linkerd")
    found = planned(made, lambda m: m.export("podinfo", "east"))
    assert [w.command for w in found.writes] == [
        "kubectl --context=east -n test label service podinfo mirror.linkerd.io/exported=true"
    ]


def test_a_removed_split_is_a_delete_command(mesh: Callable[[str], Mesh]) -> None:
    made = mesh("istio")
    split(50, 50)(made)
    found = planned(made, lambda m: m.unsplit("west", "podinfo"))
    (write,) = found.writes
    assert write.command.startswith("kubectl --context=west -n test delete virtualservice.networking.istio.io")


def test_reads_see_what_the_writes_would_leave(mesh: Callable[[str], Mesh]) -> None:
    made = mesh("istio")
    with preview():
        split(50, 50)(made)
        assert [s.weights for s in made.splits(["west"])] == [{"podinfo": 50, "podinfo-east": 50}]
        made.unsplit("west", "podinfo")
        assert made.splits(["west"]) == []
