"""A profile's extras in clusters: applied once, owned, checked by `lab status`, and removed in reverse order."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from lab import stacks
from lab.base.concurrency import each
from lab.base.errors import CommandError, UsageError, WaitTimeout
from lab.base.process import Completed
from lab.base.step import StepStatus
from lab.components.base import ManifestComponent, State
from lab.initialize import secrets
from lab.initialize.choices import parse_query
from lab.initialize.lab_profile import keys
from lab.initialize.lab_profile.components import Extra, name_of
from lab.initialize.lab_profile.flux_folder import FluxFolder
from lab.initialize.lab_profile.leftovers import Leftovers
from lab.initialize.lab_profile.profile import LabProfile
from lab.initialize.model import ApplyStage
from lab.initialize.options import OPTIONS
from lab.initialize.tree import cluster_choices
from lab.initialize.wires import WIRES
from lab.kube import Kube
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.lifecycle import installed
from tests.unit.fake_api import FakeApi, put
from tests.unit.initialize.kit import shell
from tests.unit.initialize.lab_kit import a_lab, of, with_profile, without
from tests.unit.initialize.test_scripts import FewSources

INVENTORIES = "/api/v1/namespaces/eastwest-lab/configmaps/"
READY = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "observedGeneration": 99}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = with_profile(tmp_path)
    made.paths.write_lab_id("0123")
    return made


@pytest.fixture
def east(apis: dict[str, FakeApi], lab: Lab) -> FakeApi:
    return apis["east"]


def component(lab: Lab, name: str) -> ManifestComponent:
    found = stacks.current(lab).components(lab)[name].component
    assert isinstance(found, ManifestComponent)
    return found


def kube(api: FakeApi, lab: Lab) -> Kube:
    return Kube(lab.clusters["east"], api)


def ready(api: FakeApi, lab: Lab, name: str) -> None:
    """Let the Deployments of an extra be ready as soon as they are applied."""
    for obj in component(lab, name).objects(lab, lab.clusters["east"]):
        if obj["kind"] == "Deployment":
            labels = lab.owner(name).labels
            metadata = {**obj["metadata"], "labels": {**obj["metadata"]["labels"], **labels}}
            put(kube(api, lab), {**obj, "metadata": metadata, "status": READY})


def install(lab: Lab, api: FakeApi, *names: str) -> list[StepStatus]:
    return [component(lab, name).apply(lab, lab.clusters["east"]).status for name in names]


NAMESPACES, PROXY = "profile-namespaces-namespaces", "profile-oauth2-proxy-operators"


def test_an_extra_is_applied_once_and_is_the_labs(lab: Lab, east: FakeApi) -> None:
    ready(east, lab, PROXY)
    assert install(lab, east, NAMESPACES, "profile-keys", PROXY) == [StepStatus.CHANGED] * 3
    east.asked.clear()
    assert install(lab, east, NAMESPACES, "profile-keys", PROXY) == [StepStatus.UNCHANGED] * 3
    assert {method for method, _ in east.asked} == {"GET"}
    deployment = east.objects["/apis/apps/v1/namespaces/auth/deployments/oauth2-proxy"]
    labels = deployment["metadata"]["labels"]
    assert (labels["eastwest.lab/lab"], labels["eastwest.lab/component"]) == ("dev", PROXY)
    assert f"{INVENTORIES}{PROXY}" in east.objects
    assert component(lab, PROXY).observe(lab, lab.clusters["east"]) is State.CURRENT


def test_an_extra_that_somebody_edited_is_repaired(lab: Lab, east: FakeApi) -> None:
    install(lab, east, NAMESPACES, "profile-keys")
    secret = east.objects["/api/v1/namespaces/auth/secrets/oauth2-proxy"]
    wanted, secret["data"] = secret["data"], {}
    assert install(lab, east, "profile-keys") == [StepStatus.CHANGED]
    assert east.objects["/api/v1/namespaces/auth/secrets/oauth2-proxy"]["data"] == wanted


def test_the_stacks_own_objects_are_applied_with_the_profiles_edits(lab: Lab, east: FakeApi) -> None:
    bare = replace(lab, extension=None)
    own = component(replace(bare, spec=lab.spec), "podinfo")
    path = "/apis/apps/v1/namespaces/test/deployments/podinfo"
    put(kube(east, lab), _with_status(own, bare))
    own.apply(bare, lab.clusters["east"])
    assert "prometheus.io/scrape" not in json.dumps(east.objects[path])
    assert own.apply(lab, lab.clusters["east"]).status is StepStatus.CHANGED
    assert "prometheus.io/scrape" in json.dumps(east.objects[path])
    assert own.apply(lab, lab.clusters["east"]).status is StepStatus.UNCHANGED
    assert own.apply(without(lab), lab.clusters["east"]).status is StepStatus.CHANGED
    assert "prometheus.io/scrape" not in json.dumps(east.objects[path])


def _with_status(own: ManifestComponent, lab: Lab) -> Obj:
    objects = own.objects(lab, lab.clusters["east"])
    deployment = next(obj for obj in objects if obj["kind"] == "Deployment")
    labels = {**deployment["metadata"].get("labels", {}), **lab.owner("podinfo").labels}
    return {**deployment, "metadata": {**deployment["metadata"], "labels": labels}, "status": READY}


# What is left of another profile


def leftovers(lab: Lab) -> Leftovers:
    found = stacks.current(lab).components(lab)["profile-leftovers"].component
    assert isinstance(found, Leftovers)
    return found


def test_removing_a_profile_removes_its_extras_and_nothing_else(lab: Lab, east: FakeApi) -> None:
    place = lab.clusters["east"]
    before = dict(east.objects)
    ready(east, lab, PROXY)
    install(lab, east, NAMESPACES, "profile-keys", PROXY)
    mine: Obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine", "namespace": "other"}}
    put(kube(east, lab), mine)
    assert leftovers(lab).apply(lab, place).status is StepStatus.UNCHANGED
    removing = without(lab)
    assert leftovers(removing).observe(removing, place) is State.STALE
    result = leftovers(removing).apply(removing, place)
    assert result.detail == f"removed {PROXY}, profile-keys, {NAMESPACES}", "the last stage first"
    left = {path for path in east.objects if path not in before}
    assert left == {"/api/v1/namespaces/other/secrets/mine"}
    assert leftovers(removing).apply(removing, place).status is StepStatus.UNCHANGED


def test_a_profile_with_fewer_options_removes_the_others(tmp_path: Path, lab: Lab, east: FakeApi) -> None:
    ready(east, lab, PROXY)
    install(lab, east, NAMESPACES, "profile-keys", PROXY)
    fewer = with_profile(tmp_path, "?observability=prometheus")
    assert leftovers(fewer).apply(fewer, lab.clusters["east"]).detail == f"removed {PROXY}, profile-keys"
    assert install(fewer, east, NAMESPACES) == [StepStatus.CHANGED]
    namespaces = {path.rpartition("/")[2] for path in east.objects if path.startswith("/api/v1/namespaces/")}
    assert "observability" in namespaces
    assert "auth" not in namespaces


def test_the_next_stage_waits_until_finalizers_are_removed(lab: Lab, east: FakeApi) -> None:
    """KEDA's operator removes the finalizer of a ScaledObject: it must not be deleted before."""
    scaled = _of(lab, "profile-scaling-wiring", "keda.sh/v1alpha1", "ScaledObject", "podinfo", namespace="test")
    operator = _of(lab, "profile-keda-operators", "v1", "ServiceAccount", "keda-operator", namespace="keda")
    scaled["metadata"]["deletionTimestamp"] = "now"
    for obj in (scaled, operator):
        _known(east, lab, obj)

    class Slow(FakeApi):
        """Deletes no ScaledObject."""

        def _answer(self, method: str, path: str, *rest: Any) -> Any:
            return super()._answer("GET" if "scaledobjects" in path else method, path, *rest)

    removing = without(lab)
    api = Slow(objects=east.objects)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.initialize.lab_profile.leftovers.connect", lambda cluster: Kube(cluster, api))
        patch.setattr("lab.initialize.lab_profile.leftovers._GONE_S", 0.05)
        with pytest.raises(WaitTimeout, match="removal of profile-scaling-wiring"):
            leftovers(removing).apply(removing, lab.clusters["east"])
    assert [path for path in east.objects if "keda-operator" in path], "the operator is still there"


def test_flux_is_suspended_before_its_objects_are_deleted(lab: Lab, east: FakeApi) -> None:
    """It would delete all that it has applied."""
    api_version = "kustomize.toolkit.fluxcd.io/v1"
    stage = _of(lab, "profile-flux-wiring", api_version, "Kustomization", "stage-1-crds", namespace="flux-system")
    path = _known(east, lab, stage)
    removing = without(lab)
    changes: list[tuple[str, Any]] = []

    class Noting(FakeApi):
        def __call__(self, method: str, path: str, *, body: str | None, **rest: Any) -> Any:
            if "kustomizations" in path and method != "GET":
                changes.append((method, json.loads(body or "{}").get("spec")))
            return super().__call__(method, path, body=body, **rest)

    api = Noting(objects=east.objects)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.initialize.lab_profile.leftovers.connect", lambda cluster: Kube(cluster, api))
        leftovers(removing).apply(removing, lab.clusters["east"])
    assert changes == [("PATCH", {"suspend": True}), ("DELETE", None)]
    assert path not in east.objects


def _of(lab: Lab, name: str, api_version: str, kind: str, obj: str, *, namespace: str) -> Obj:
    metadata = {"name": obj, "namespace": namespace, "labels": dict(lab.owner(name).labels)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": {}}


def _known(api: FakeApi, lab: Lab, obj: Obj) -> str:
    """Put an object that a component has applied, and its inventory."""
    labels = obj["metadata"]["labels"]
    name = labels["eastwest.lab/component"]
    before = {*api.objects}
    put(kube(api, lab), obj)
    (path,) = {*api.objects} - before
    entry = {
        "api_version": obj["apiVersion"],
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "namespace": obj["metadata"]["namespace"],
        "generation": 1,
        "uid": "",
    }
    config_map: Obj = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "eastwest-lab", "labels": dict(labels)},
        "data": {"digest": "ab", "objects": json.dumps([entry])},
    }
    put(kube(api, lab), config_map)
    return path


# lab status


def test_the_status_names_an_extra_that_is_not_installed(lab: Lab, east: FakeApi) -> None:
    install(lab, east, NAMESPACES)
    problems = installed.problems(lab, stacks.current(lab), kube(east, lab))
    assert "east: profile-guard-wiring is not installed" in problems
    assert not [words for words in problems if NAMESPACES in words]


def test_a_podinfo_that_keda_scales_may_have_no_pods(tmp_path: Path, lab: Lab, east: FakeApi) -> None:
    choices = parse_query("?observability=prometheus&serverless=keda&apps=podinfo")
    scaled = replace(a_lab(tmp_path), extension=LabProfile(choices=choices, owners=()))
    stack = stacks.current(replace(scaled, spec=lab.spec))
    podinfo: Obj = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "podinfo", "namespace": "test", "labels": dict(lab.owner("podinfo").labels)},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "podinfo"}}},
        "status": {},
    }
    _known(east, lab, podinfo)
    path = "/apis/apps/v1/namespaces/test/deployments/podinfo"
    east.objects[path]["metadata"]["generation"] = 7

    def of_podinfo(stack: Any) -> list[str]:
        return [words for words in installed.problems(scaled, stack, kube(east, lab)) if "podinfo" in words]

    assert of_podinfo(stack) == []
    assert of_podinfo(stacks.STACKS["istio"]) == ["east: Deployment test/podinfo is scaled to 0 pods"]
    assert stack.answers(scaled, "east") == {}, "nobody waits for answers of a service without pods"
    assert stacks.STACKS["istio"].answers(scaled, "east")


# Secrets


def test_the_lab_makes_the_secrets_that_the_script_makes(tmp_path: Path, lab: Lab) -> None:
    choices = of(lab).choices
    assert choices is not None
    by_cluster = cluster_choices(choices, FewSources())  # type: ignore[arg-type]
    script = tmp_path / "out" / "create-secrets.sh"
    script.parent.mkdir()
    script.write_text(secrets.script(choices, by_cluster, "true"))
    programs = shell(tmp_path)
    done = programs.run(script, "keys", CONTEXT_EAST="east", CONTEXT_WEST="west", KEYS=str(tmp_path / "keys"))
    assert done.returncode == 0, done.stderr
    made = keys.secrets(lab.paths, choices.ids)
    lines = [line.removeprefix("stdin: ") for line in programs.calls if line.startswith("stdin: ")]
    names = [line.split()[-1] for line in lines if line.startswith("  name: ")]
    assert names[: len(made)] == [obj["metadata"]["name"] for obj in made]
    by_script = [line.split(":")[0].strip() for line in lines if line.startswith("  ") and "name" not in line]
    assert by_script[: len(by_script) // 2] == [key for obj in made for key in obj["data"]]


def test_no_option_and_no_wire_has_secrets_that_the_lab_does_not_make() -> None:
    choice = cluster_choices(parse_query("?mesh=none&ingress=none"), FewSources())["east"]  # type: ignore[arg-type]
    has = {option.id for option in OPTIONS.values() if option.id != "linkerd-viz" and [*option.secrets(choice)]}
    assert has == {"oauth2-proxy"}, "lab/initialize/lab_profile/keys.py makes the others' too"
    of_the_mesh = {"trust", "links"}
    assert not [wire.id for wire in WIRES if wire.id not in of_the_mesh and [*wire.secrets(choice)]]


def test_the_secrets_are_the_same_in_all_clusters_and_later(lab: Lab) -> None:
    chosen = frozenset({"oauth2-proxy", "oidc-provider"})
    made = each(lambda _: keys.secrets(lab.paths, chosen), range(8))
    assert all(one == made[0] for one in made)
    assert keys.secrets(lab.paths, chosen) == made[0]
    assert lab.paths.profile_keys.stat().st_mode & 0o777 == 0o600
    values = [value for obj in made[0] for value in obj["data"].values()]
    assert len({*values}) == len(values) - 1, "only the client's secret is in two Secrets"


@pytest.mark.parametrize("text", ["{bad", "[]", '{"own": "True"}', '{"own": 1}', "\x00", "[" * 100_000])
def test_damaged_secrets_are_named_with_the_way_out(lab: Lab, text: str) -> None:
    chosen = frozenset({"oauth2-proxy", "oidc-provider"})
    made = keys.secrets(lab.paths, chosen)
    lab.paths.profile_keys.write_text(text)
    for use in (lambda: keys.secrets(lab.paths, chosen), lambda: keys.check(lab.paths, chosen)):
        with pytest.raises(UsageError, match="is damaged") as caught:
            use()
        assert caught.value.where == str(lab.paths.profile_keys)
        assert (caught.value.next or "").startswith(f"rm -r {lab.paths.profile_keys}, then lab up")
    lab.paths.profile_keys.unlink()
    assert keys.secrets(lab.paths, chosen) != made


def test_no_secret_is_recorded_with_the_profile(lab: Lab) -> None:
    kept = keys.secrets(lab.paths, frozenset({"oauth2-proxy", "oidc-provider"}))
    of(lab).remember(lab)
    text = lab.paths.profile.read_text() + "\n".join(of(lab).notes(lab))
    values = json.loads(lab.paths.profile_keys.read_text())
    assert kept
    assert not [name for name in ("client-secret", "cookie-secret", "password") if values[name] in text]


# Flux's folder


class Registry:
    """Notes what is pushed, as kubectl would."""

    def __init__(self) -> None:
        self.pushed: list[tuple[list[str], bytes]] = []

    def __call__(self, argv: Sequence[str | Path], *, input: str | None = None, **_: Any) -> Completed:  # noqa: A002
        words = [str(word) for word in argv]
        self.pushed.append((words, (input or "").encode()))
        return Completed(argv=tuple(words), returncode=0, stdout="", stderr="", duration_s=0)


@pytest.fixture
def flux(lab: Lab) -> tuple[FluxFolder, Registry]:
    registry = Registry()
    owners = of(lab).extras(lab).owners()
    parts = tuple(Extra(stage=stage, owner=owner, extras=of(lab).extras) for stage, owner in owners)
    return FluxFolder(parts=parts, run=registry), registry


def test_the_folder_has_the_extras_as_the_lab_applies_them(
    lab: Lab, east: FakeApi, flux: tuple[FluxFolder, Registry]
) -> None:
    folder, registry = flux
    folder.after_apply(lab, lab.clusters["east"])
    ((words, archive),) = registry.pushed
    assert words[1:4] == [f"--kubeconfig={lab.paths.kubeconfig}", "--context=east", "--namespace=flux-system"]
    assert "--new_tag=localhost:5000/eastwest:latest" in words
    files = {}
    with tarfile.open(fileobj=BytesIO(archive)) as opened:
        for entry in opened:
            content = opened.extractfile(entry)
            assert content is not None
            files[entry.name] = content.read().decode()
    for stage in ApplyStage:
        assert f"clusters/east/{stage.value}/kustomization.yaml" in files
        assert files[f"clusters/east/{stage.value}/objects.yaml"].strip(), "Flux refuses an empty stage"
    wiring = [json.loads(text) for text in files["clusters/east/5-wiring/objects.yaml"].split("---\n")]
    (route,) = (obj for obj in wiring if obj["metadata"]["name"] == "authentication")
    assert route["metadata"]["labels"]["eastwest.lab/component"] == name_of(ApplyStage.WIRING, "guard")
    assert "Secret" not in {json.loads(doc)["kind"] for t in files.values() if "{" in t for doc in t.split("---\n")}


def test_a_folder_that_the_registry_has_is_not_pushed_again(
    lab: Lab, east: FakeApi, flux: tuple[FluxFolder, Registry]
) -> None:
    folder, registry = flux
    place = lab.clusters["east"]
    tags = "/api/v1/namespaces/flux-system/services/oci-registry:5000/proxy/v2/eastwest/tags/list"
    folder.apply(lab, place)
    east.objects[tags] = {"name": "eastwest", "tags": ["latest"]}
    assert folder.apply(lab, place).status is StepStatus.UNCHANGED
    assert len(registry.pushed) == 1
    del east.objects[tags]  # the registry's pod was replaced
    folder.apply(lab, place)
    assert len(registry.pushed) == 2


def test_flux_continues_after_the_folder_is_pushed(lab: Lab, east: FakeApi, flux: tuple[FluxFolder, Registry]) -> None:
    api_version = "kustomize.toolkit.fluxcd.io/v1"
    stage = _of(lab, "profile-flux-wiring", api_version, "Kustomization", "stage-1-crds", namespace="flux-system")
    stage["spec"] = {"suspend": True, "prune": True}
    path = _known(east, lab, stage)
    flux[0].after_apply(lab, lab.clusters["east"])
    assert east.objects[path]["spec"] == {"prune": True}


def test_a_registry_that_refuses_the_folder_ends_the_step(lab: Lab, flux: tuple[FluxFolder, Registry]) -> None:
    def fails(argv: Sequence[str | Path], **_: Any) -> Completed:
        raise CommandError([str(word) for word in argv], returncode=1, stderr="no space left")

    with pytest.raises(CommandError, match="no space left"):
        replace(flux[0], run=fails).after_apply(lab, lab.clusters["east"])
