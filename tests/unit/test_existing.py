"""A lab of existing clusters: its plan, its stack's values, what it can do, and the question before it writes."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import config
from lab.base.errors import LabError, UsageError
from lab.base.paths import Paths
from lab.base.step import Step
from lab.cli import existing
from lab.clusters.existing.preflight import Preflight
from lab.host.doctor.findings import fail, ok
from lab.lab import Lab
from lab.lifecycle import plan, runner
from lab.mesh.capabilities import Capability
from lab.scenario.context import Context
from lab.stacks import STACKS
from lab.stacks.istio import values as istio_values
from lab.stage.faults import catalog
from tests.unit.plan_kit import before

EAST = '[clusters.east]\ncontext = "gke"\n'
WEST = '[clusters.west]\ncontext = "home"\nreachable = false\n'


class Images:
    """The images of a lab: upstream has podinfo only."""

    def image(self, name: str) -> str:
        return f"eastwest-lab/{name}:1"

    def pulled_as(self, name: str) -> str:
        return f"registry.example/lab/{name}:1"

    def is_pushed(self, name: str) -> bool:
        return name != "podinfo"


def lab_of(folder: Path, toml: str) -> Lab:
    paths = Paths(cache=folder / "cache", state=folder / "state")
    return Lab(spec=config.parse(toml), paths=paths, artifacts=Images())  # type: ignore[arg-type]


def steps_of(folder: Path, monkeypatch: pytest.MonkeyPatch, toml: str) -> dict[str, Step]:
    monkeypatch.setattr(plan.artifacts, "steps", lambda store, wanted: [])
    steps = plan.up(lab_of(folder, toml))
    runner.check(steps)
    return {step.name: step for step in steps}


@pytest.mark.parametrize("stack", STACKS)
def test_existing_clusters_need_no_network_and_no_nodes(
    stack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = steps_of(tmp_path, monkeypatch, f'stack = "{stack}"\n{EAST}{WEST}')
    assert {"network", "routes", "east/images", "west/images"} & steps.keys() == set()
    assert "registry" in before(list(steps.values()), "east/podinfo")
    assert steps["east/cluster"].title == "adopt the existing cluster"
    links = {name for name in steps if "link-to-" in name}
    assert links == {"west/link-to-east"}, "nobody calls a cluster behind a NAT"


@pytest.mark.parametrize("stack", STACKS)
def test_beside_an_existing_cluster_kinds_is_as_always_and_only_calls(
    stack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = steps_of(tmp_path, monkeypatch, f'stack = "{stack}"\n{EAST}')
    assert {"network", "routes", "west/images", "registry"} <= steps.keys()
    assert "east/images" not in steps
    assert "network" in before(list(steps.values()), "east/cluster"), "one of the two decides the lab's id"
    assert {name for name in steps if "link-to-" in name} == {"west/link-to-east"}


@pytest.mark.parametrize("stack", STACKS)
def test_artifacts_are_those_that_the_clusters_need(stack: str, tmp_path: Path) -> None:
    made = STACKS[stack]
    only = made.artifacts(lab_of(tmp_path, EAST + WEST))
    assert {"kind", made.node_image, "podinfo"} & set(only) == set()
    assert {"kubectl", "frontend"} <= set(only)
    assert {"kind", made.node_image, "frontend"} <= set(made.artifacts(lab_of(tmp_path, EAST)))
    assert "frontend" not in made.artifacts(lab_of(tmp_path, ""))


@pytest.mark.parametrize("stack", STACKS)
def test_answers_come_from_the_clusters_that_a_frontend_reaches(stack: str, tmp_path: Path) -> None:
    lab, made = lab_of(tmp_path, EAST + WEST), STACKS[stack]
    assert set().union(*made.answers(lab, "east").values()) == {"east"}
    assert set().union(*made.answers(lab, "west").values()) == {"east", "west"}


def test_kinds_provider_sees_the_created_clusters_only(tmp_path: Path) -> None:
    assert set(lab_of(tmp_path, EAST).created.clusters) == {"west"}
    assert set(lab_of(tmp_path, EAST + WEST).created.clusters) == set()
    own = lab_of(tmp_path, "")
    assert own.created is own


def test_images_are_named_as_the_cluster_gets_them(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, EAST)
    assert lab.image("frontend", "east") == "registry.example/lab/frontend:1"
    assert lab.image("frontend", "west") == "eastwest-lab/frontend:1"


@pytest.mark.parametrize("shared", [True, False])
def test_where_others_use_the_cluster_istio_sees_the_labs_namespaces_only(shared: bool) -> None:
    place = istio_values.MeshPlace(
        mesh_id="m",
        cluster="east",
        network="n",
        trust_domain="d",
        other_trust_domains=(),
        pilot_image="p",
        proxy_image="x",
        shared=shared,
    )
    spec = istio_values.operator(place)["spec"]
    selectors = spec["meshConfig"].get("discoverySelectors")
    service = spec["values"]["gatewayClasses"]["istio"]["service"]["spec"]
    assert selectors == ([{"matchLabels": {"app.kubernetes.io/managed-by": "eastwest-lab"}}] if shared else None)
    assert ("allocateLoadBalancerNodePorts" in service) is not shared


def test_a_lab_with_an_existing_cluster_has_no_nodes_to_stop(tmp_path: Path) -> None:
    mesh: Any = SimpleNamespace(
        capabilities=frozenset({Capability.SPLIT}), gateway_workloads=lambda _: (), name="istio"
    )
    clusters = {Capability.NODES, Capability.ADDRESSES}
    assert Context(lab=lab_of(tmp_path, ""), mesh=mesh).capabilities == {Capability.SPLIT, *clusters}
    assert Context(lab=lab_of(tmp_path, EAST), mesh=mesh).capabilities == {Capability.SPLIT}
    faults = [fault.id for fault in catalog.of_lab(lab_of(tmp_path, EAST), mesh, shown=str)]
    assert {"stop-west", "kill-podinfo-east"} <= set(faults)
    assert {"stop-east", "cut-west-east"} & set(faults) == set()


FOUND = Preflight(cluster="east", context="gke", server="https://203.0.113.7", findings=[ok("version", "1.33", "why")])


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> list[Preflight]:
    found = [FOUND]
    monkeypatch.setattr(existing, "look", lambda _: found)
    return found


def test_without_a_terminal_the_command_line_has_to_name_the_context(
    look: list[Preflight], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = lab_of(tmp_path, EAST)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(UsageError) as refused:
        existing.ask(lab, ())
    assert refused.value.next == "lab up --yes-really gke"
    assert "the existing cluster gke" in capsys.readouterr().err
    existing.ask(lab, ("gke",))
    with pytest.raises(UsageError, match=r"--yes-really production: lab.toml has no such context"):
        existing.ask(lab, ("production",))


@pytest.mark.parametrize(("typed", "agrees"), [("gke", True), (" gke ", True), ("yes", False), ("", False)])
def test_on_a_terminal_only_the_name_of_the_context_is_an_agreement(
    look: list[Preflight], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, agrees: bool
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: typed)
    if agrees:
        existing.ask(lab_of(tmp_path, EAST), ())
        return
    with pytest.raises(LabError, match="another name was typed; nothing was changed"):
        existing.ask(lab_of(tmp_path, EAST), ())


def test_what_prevents_the_lab_is_refused_before_any_question(look: list[Preflight], tmp_path: Path) -> None:
    look[0] = Preflight(cluster="east", context="gke", findings=[fail("mesh", "istio", "why", fix="remove it")])
    with pytest.raises(LabError, match="east: mesh: istio"):
        existing.ask(lab_of(tmp_path, EAST), ("gke",))


def test_an_adopted_cluster_raises_no_question(look: list[Preflight], tmp_path: Path) -> None:
    look.clear()
    existing.ask(lab_of(tmp_path, EAST), ())
