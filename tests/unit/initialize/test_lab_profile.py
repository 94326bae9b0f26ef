"""`lab up --profile`: which steps and components a profile gives, and which profiles a lab refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import stacks
from lab.base.errors import UsageError
from lab.components.base import ManifestComponent
from lab.initialize import folder, lab_profile
from lab.initialize.choices import parse_query
from lab.initialize.lab_profile.components import name_of
from lab.initialize.lab_profile.profile import LabProfile
from lab.initialize.model import ApplyStage
from lab.kube.objects import Obj, ref
from lab.lab import Lab
from lab.lifecycle import plan, runner
from lab.stacks import STACKS
from tests.unit.initialize.lab_kit import SMALL, TOML, Store, a_lab, of, with_profile
from tests.unit.plan_kit import before

NAMESPACES = "profile-namespaces-namespaces"


def steps_of(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[plan.Step]:
    monkeypatch.setattr(plan.artifacts, "steps", lambda store, wanted: [])
    return plan.up(lab)


def component(lab: Lab, name: str) -> ManifestComponent:
    found = stacks.current(lab).components(lab)[name].component
    assert isinstance(found, ManifestComponent)
    return found


def objects(lab: Lab, name: str, cluster: str = "east") -> dict[tuple[str, str], Obj]:
    found = component(lab, name).objects(lab, lab.clusters[cluster])
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in found}


# The plan


def test_each_option_and_wire_is_a_step_of_each_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = steps_of(with_profile(tmp_path), monkeypatch)
    runner.check(steps)
    own = {step.name for step in steps_of(a_lab(tmp_path), monkeypatch)}
    added = {step.name.removeprefix("east/") for step in steps if step.name.startswith("east/")}
    assert added - {name.removeprefix("east/") for name in own} == {
        "profile-leftovers",
        NAMESPACES,
        "profile-keys",
        "profile-oauth2-proxy-operators",
        "profile-oidc-provider-operators",
        "profile-prometheus-operators",
        "profile-otel-collector-operators",
        "profile-routing-wiring",
        "profile-guard-wiring",
        "profile-traces-mesh-wiring",
    }
    assert {name.replace("east/", "west/") for name in {s.name for s in steps} if name.startswith("east/profile")} <= {
        step.name for step in steps
    }


def test_extras_wait_for_what_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = steps_of(with_profile(tmp_path), monkeypatch)
    operators = before(steps, "east/profile-oauth2-proxy-operators")
    assert {f"east/{NAMESPACES}", "east/profile-keys", "east/images", "east/istio", "east/namespaces"} <= operators
    wiring = before(steps, "east/profile-guard-wiring")
    assert {"east/profile-prometheus-operators", "east/ingress", "east/podinfo", "east/frontend"} <= wiring
    assert "east/profile-guard-wiring" in before(steps, "east/answers")
    assert not [name for name in wiring if name.startswith("west/")]
    # What an earlier profile replaced is removed before the lab's own is installed.
    assert {"east/profile-leftovers"} <= before(steps, "east/ingress") & before(steps, "east/podinfo")


def test_a_lab_without_a_profile_has_the_stacks_own_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {step.name for step in steps_of(a_lab(tmp_path), monkeypatch)}
    assert not [name for name in names if "profile" in name]
    bare = a_lab(tmp_path)
    assert stacks.current(replace(bare, spec=bare.spec.model_copy(update={"stack": "istio"}))) is STACKS["istio"]


def test_another_ingress_takes_the_place_of_the_stacks_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners = ((ApplyStage.OPERATORS, "contour"), (ApplyStage.OBJECTS, "contour"))
    choices = parse_query("?mesh=linkerd&ingress=contour")
    lab = replace(
        a_lab(tmp_path, toml=f'stack = "linkerd"\n{TOML}'), extension=LabProfile(choices=choices, owners=owners)
    )
    names = {step.name for step in steps_of(lab, monkeypatch)}
    assert {"east/profile-contour-operators", "east/profile-contour-objects"} <= names
    assert names.isdisjoint({"east/ingress", "east/emissary-crds"})


def test_a_single_cluster_is_a_lab_of_one_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = with_profile(tmp_path, f"{SMALL}&clusters=single")
    assert list(lab.clusters) == ["east"]
    assert lab.west == lab.east
    names = {step.name for step in steps_of(lab, monkeypatch)}
    assert "east/profile-guard-wiring" in names
    assert not [name for name in names if name.startswith("west/")]


# The objects


def test_images_are_the_labs_where_it_can_obtain_them_else_upstreams(tmp_path: Path) -> None:
    lab = with_profile(tmp_path)
    images = {
        name: container["image"]
        for component_ in ("profile-oauth2-proxy-operators", "profile-prometheus-operators")
        for (kind, name), obj in objects(lab, component_).items()
        if kind == "Deployment"
        for container in obj["spec"]["template"]["spec"]["containers"]
    }
    assert images == {
        "oauth2-proxy": "eastwest-lab/oauth2-proxy:key",
        "prometheus": "docker.io/prom/prometheus:v3.15.1",
    }
    stack = stacks.current(lab)
    assert {"oauth2-proxy", "oidc-provider"} <= {*stack.images(lab)} & {*stack.artifacts(lab)}
    assert "prometheus-server" not in stack.artifacts(lab)


def test_images_come_from_the_profiles_registry(tmp_path: Path) -> None:
    lab = with_profile(tmp_path, f"{SMALL}&registry=registry.example:5000")
    (pod,) = (obj for (kind, _), obj in objects(lab, "profile-prometheus-operators").items() if kind == "Deployment")
    image = pod["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "registry.example:5000/prom/prometheus:v3.15.1"


def test_addresses_have_the_ports_of_the_labs_ingresses(tmp_path: Path) -> None:
    lab = with_profile(tmp_path)
    for cluster, port in (("east", 27081), ("west", 27080)):
        text = json.dumps(list(objects(lab, "profile-oauth2-proxy-operators", cluster).values()))
        assert f"http://localhost:{port}/oauth2/callback" in text
        assert "localhost:8081" not in text
        assert "localhost:8080" not in text


def test_the_stacks_namespaces_are_not_extras(tmp_path: Path) -> None:
    lab = with_profile(tmp_path)
    assert {name for _, name in objects(lab, NAMESPACES)} == {"auth", "observability"}


def test_objects_of_the_stack_have_the_profiles_edits(tmp_path: Path) -> None:
    lab = with_profile(tmp_path)
    cluster = lab.clusters["east"]

    def wanted(name: str) -> dict[str, Obj]:
        own = component(lab, name).objects(lab, cluster)
        edited = of(lab).edited(lab, name, "east", own)
        assert [ref(obj) for obj in edited] == [ref(obj) for obj in own]
        return {obj["kind"]: obj for obj in edited}

    pod = wanted("podinfo")["Deployment"]["spec"]["template"]
    assert pod["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in {one["name"] for one in pod["spec"]["containers"][0]["env"]}
    assert pod["spec"]["containers"][0]["image"] == "eastwest-lab/podinfo:1", "the lab's own, as without a profile"
    gateway = wanted("ingress")["Gateway"]
    values = gateway["spec"]["listeners"][0]["allowedRoutes"]["namespaces"]["selector"]["matchExpressions"][0]["values"]
    assert {"test", "auth", "observability"} == {*values}
    assert "from-mesh" in {listener["name"] for listener in gateway["spec"]["listeners"]}
    route = wanted("ingress")["HTTPRoute"]
    assert route["metadata"]["name"] == "frontend", "the lab's own route stays"
    assert route["spec"]["rules"][0]["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert set(objects(lab, "profile-routing-wiring")) == {("HTTPRoute", "podinfo")}, "it has one owner"
    frontend = component(lab, "frontend").objects(lab, cluster)
    assert of(lab).edited(lab, "frontend", "east", frontend) == frontend


def test_without_an_ingress_the_lab_keeps_the_stacks_own(tmp_path: Path) -> None:
    lab = with_profile(tmp_path, "?ingress=none&observability=prometheus")
    assert "ingress" in stacks.current(lab).components(lab)
    own = component(lab, "ingress").objects(lab, lab.clusters["east"])
    assert of(lab).edited(lab, "ingress", "east", own) == own
    assert not (lab.paths.state / "rendered").exists()


def test_the_folder_and_the_lab_have_the_same_extras(tmp_path: Path) -> None:
    """With upstream's images and the default ports, an extra is byte for byte what the folder has."""
    from lab.initialize.sources import LabSources
    from lab.initialize.tree import cluster_choices, parts, pieces

    lab = with_profile(tmp_path, toml='name = "dev"\n', store=Store(obtainable=()))
    choices = of(lab).choices
    assert choices is not None
    choice = cluster_choices(choices, LabSources(replace(lab, extension=None)))["west"]
    found = pieces(parts(choices, choice, without={"istio", "istio-gateway", "podinfo", "frontend"}))
    keys = [key for key in found if key[0] in {ApplyStage.OPERATORS, ApplyStage.WIRING}]
    assert len(keys) == 7
    for stage, owner in keys:
        mine = component(lab, name_of(stage, owner)).objects(lab, lab.clusters["west"])
        wanted = [obj for obj in found[stage, owner].objects.values() if obj["metadata"]["name"] != "frontend"]
        assert list(mine) == wanted, "the route to the frontend is the lab's own"


# The record


def test_lab_up_without_options_finds_the_profile(tmp_path: Path) -> None:
    lab = with_profile(tmp_path)
    of(lab).remember(lab)
    again = lab_profile.recorded(a_lab(tmp_path))
    assert of(again).choices == of(lab).choices
    assert again.spec == lab.spec
    names = list(stacks.current(lab).components(lab))
    assert list(stacks.current(again).components(again)) == names
    # Without upstream's YAML, `lab status` still knows them.
    nothing = replace(again, artifacts=Store(lacks=("gateway-api-manifests",)))
    assert list(stacks.current(nothing).components(nothing)) == names
    assert stacks.current(nothing).images(nothing) == stacks.current(lab).images(lab)


def test_a_removed_profile_is_forgotten_at_the_end(tmp_path: Path) -> None:
    lab = with_profile(tmp_path)
    assert lab_profile.chosen(a_lab(tmp_path), "none").extension is None, "there is nothing to remove"
    of(lab).remember(lab)
    removing = lab_profile.chosen(a_lab(tmp_path), "none")
    of(removing).remember(removing)
    interrupted = lab_profile.recorded(a_lab(tmp_path))
    assert of(interrupted).choices is None, "the next `lab up` continues the removal"
    assert "profile-leftovers" in stacks.current(replace(interrupted, spec=lab.spec)).components(interrupted)
    of(interrupted).forget(lab.paths)
    assert lab_profile.recorded(a_lab(tmp_path)).extension is None


@pytest.mark.parametrize(
    "record",
    [
        "{",
        "[]",
        '{"choices": 1, "keys": [], "images": []}',
        "[" * 100_000,
        '{"choices": "mesh=of-the-future", "keys": [], "images": []}',
    ],
)
def test_a_record_that_cannot_be_read_names_the_file_and_what_to_do(tmp_path: Path, record: str) -> None:
    lab = a_lab(tmp_path)
    lab.paths.ensure_state()
    lab.paths.profile.write_text(record)
    with pytest.raises(UsageError, match="is not readable") as raised:
        lab_profile.recorded(lab)
    assert raised.value.where == str(lab.paths.profile)
    assert "lab up --profile none" in (raised.value.next or "")


def test_a_record_with_images_of_another_version_is_refused_but_by_lab_up(tmp_path: Path) -> None:
    lab = with_profile(tmp_path)
    of(lab).remember(lab)
    record = json.loads(lab.paths.profile.read_text())
    lab.paths.profile.write_text(json.dumps({**record, "images": [*record["images"], "no-such"]}))
    with pytest.raises(UsageError, match="this one does not have no-such") as raised:
        lab_profile.recorded(a_lab(tmp_path))
    assert raised.value.where == str(lab.paths.profile)
    assert (raised.value.next or "").startswith("lab up")
    assert of(lab_profile.recorded(a_lab(tmp_path), fresh=True)).choices == of(lab).choices


# Refusals


def refused(lab: Lab, given: str) -> UsageError:
    before_ = sorted(lab.paths.state.rglob("*")) if lab.paths.state.exists() else None
    with pytest.raises(UsageError) as raised:
        lab_profile.chosen(lab, given)
    assert before_ == (sorted(lab.paths.state.rglob("*")) if lab.paths.state.exists() else None)
    assert raised.value.next
    return raised.value


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("?platform=gke", "is for GKE, and the lab's clusters are kind clusters"),
        ("?mesh=none&ingress=none", "has no mesh"),
        ("?mesh=istoi", "did you mean istio"),
        ("?serverless=keda", "KEDA asks Prometheus"),
    ],
)
def test_a_profile_that_a_lab_cannot_have_is_refused(tmp_path: Path, query: str, what: str) -> None:
    assert what in refused(a_lab(tmp_path), query).what


def test_a_folder_for_another_platform_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    choices = parse_query("?platform=eks")
    folder.write(tmp_path / "my own", {"initializer.toml": choices.toml()})
    error = refused(a_lab(tmp_path), str(tmp_path / "my own"))
    assert f"lab initialize update '{tmp_path / 'my own'}' --platform kind" in (error.next or "")
    assert "README.md" in (error.next or "")


def test_a_folder_and_its_url_are_the_same_profile(tmp_path: Path) -> None:
    choices = parse_query(SMALL)
    folder.write(tmp_path / "mine", {"initializer.toml": choices.toml()})
    by_folder = lab_profile.chosen(a_lab(tmp_path), str(tmp_path / "mine"))
    by_file = lab_profile.chosen(a_lab(tmp_path), str(tmp_path / "mine" / "initializer.toml"))
    assert of(by_folder) == of(by_file) == of(with_profile(tmp_path, f"https://lab.example/x?{choices.query()}"))


def test_a_url_may_be_longer_than_a_files_name(tmp_path: Path) -> None:
    query = parse_query(SMALL).query()
    assert of(with_profile(tmp_path, f"https:{'x' * 300}?{query}")).choices is not None
    assert "at most 2000 are read" in refused(a_lab(tmp_path), f"?mesh=istio&apps={'x' * 3000}").what
    assert "the file or folder does not exist" in refused(a_lab(tmp_path), "x" * 3000).what


def test_something_that_is_not_a_profile_is_refused(tmp_path: Path) -> None:
    for nothing in ("", " "):
        error = refused(a_lab(tmp_path), nothing)
        assert (error.what, error.where) == ("the name of the profile is empty", None)
    assert "the file or folder does not exist" in refused(a_lab(tmp_path), str(tmp_path / "nowhere")).what
    (tmp_path / "empty").mkdir()
    assert "initializer.toml" in refused(a_lab(tmp_path), str(tmp_path / "empty")).what


def test_another_mesh_than_that_of_a_lab_that_is_up_is_refused(tmp_path: Path) -> None:
    lab = a_lab(tmp_path)
    stacks.remember(lab, STACKS["linkerd"])
    error = refused(lab, SMALL)
    assert "is up with Linkerd, and the profile's mesh is Istio; nothing was changed" in error.what
    assert (error.next or "").startswith(f"lab down, then lab up --profile '{SMALL}'; or")
    assert of(lab_profile.chosen(lab, "?mesh=linkerd&ingress=emissary")).choices is not None


def test_fewer_clusters_than_a_lab_that_is_up_has_are_refused(tmp_path: Path) -> None:
    lab = a_lab(tmp_path)
    stacks.remember(lab, STACKS["istio"])
    assert "is up with the clusters east and west" in refused(lab, f"{SMALL}&clusters=single").what
    single = lab_profile.chosen(a_lab(tmp_path / "other"), f"{SMALL}&clusters=single")
    stacks.remember(single, STACKS["istio"])
    of(single).remember(single)
    assert list(lab_profile.chosen(a_lab(tmp_path / "other"), f"{SMALL}&clusters=single").clusters) == ["east"]
    assert list(lab_profile.chosen(a_lab(tmp_path / "other"), SMALL).clusters) == ["east", "west"]


@pytest.mark.parametrize(
    ("toml", "what"),
    [
        ('stack = "linkerd"\n', "lab.toml or --stack says linkerd"),
        ("[clusters.third]\n", "lab.toml has east, west, third"),
        ('[clusters.a]\n[clusters.b]\n[roles]\neast = "a"\nwest = "b"\n', "lab.toml has a, b"),
    ],
)
def test_a_lab_toml_that_contradicts_the_profile_is_refused(tmp_path: Path, toml: str, what: str) -> None:
    assert what in refused(a_lab(tmp_path, toml=toml), SMALL).what


def test_a_client_of_ones_own_provider_is_asked_for_before_anything_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "?authentication=oauth2-proxy&observability=prometheus"
    for name in ("CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    error = refused(a_lab(tmp_path), query)
    assert "CLIENT_ID and CLIENT_SECRET not set" in error.what
    monkeypatch.setenv("CLIENT_ID", "me")
    assert "CLIENT_SECRET not set" in refused(a_lab(tmp_path), query).what
    monkeypatch.setenv("CLIENT_SECRET", "word")
    lab = with_profile(tmp_path, query)
    component(lab, "profile-keys").objects(lab, lab.clusters["east"])
    for name in ("CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(name)
    kept: Any = with_profile(tmp_path, query)
    assert of(kept).choices is not None, "it is kept in the state folder"
