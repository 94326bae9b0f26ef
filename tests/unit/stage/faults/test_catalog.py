"""What can be broken in a lab, and that the commands are those of the scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import config
from lab.base.paths import APPS
from lab.components import podinfo
from lab.kube import manifests
from lab.kube.objects import ref
from lab.lab import Lab
from lab.scenario import commands
from lab.stacks import STACKS
from lab.stage.faults import catalog, latency
from lab.stage.faults.menu import FaultMenu
from lab.stage.parts import Faults
from tests.unit.scenarios.kit import lab_of, target
from tests.unit.scenarios.test_shown import lines_of_scenario, registry
from tests.unit.stage.faults.world import World

IDS = {
    "linkerd": [
        *("kill-podinfo-east", "kill-podinfo-west", "kill-gateway-east", "cut-west-east"),
        *("slow-podinfo-east", "slow-podinfo-west", "stop-east", "stop-west"),
    ],
    "istio": [
        *("kill-podinfo-east", "kill-podinfo-west", "kill-gateway-east", "kill-gateway-west", "cut-west-east"),
        *("slow-podinfo-east", "slow-podinfo-west", "stop-east", "stop-west"),
    ],
}
IN_THE_SCENARIO = {
    "kill-podinfo-west": 4,
    "kill-gateway-east": 1,  # there, the gateway's Deployment starts a new pod by itself
    "cut-west-east": 2,
    "stop-east": 2,
    "stop-west": 2,
}
"""Faults that the scenario of disaster recovery also has, and how many of their commands."""


def test_the_menu_has_each_fault_for_each_cluster_that_can_have_it(world: World) -> None:
    menu: Faults = world.menu()
    assert [fault.id for fault in menu.list()] == IDS[world.mesh.name]
    assert {fault.disabled for fault in menu.list()} == {None}
    assert not [fault.id for fault in menu.list() if fault.active]


def test_every_fault_reads_well_and_shows_its_commands(world: World) -> None:
    for fault in world.menu().list():
        for text in (fault.title, fault.effect, fault.undo_title):
            assert text[0].isupper() or text.startswith("podinfo"), text
            assert not text.endswith("."), text
        for line in (*fault.commands, *fault.undo_commands):
            (parsed,) = commands.parse(line)
            assert len(parsed.programs) == 1, "one program, and no pipe outside of a quoted word"
            assert parsed.programs[0][0] in {"docker", "kubectl"}
            assert "{" not in line
            if parsed.programs[0][0] == "kubectl":
                assert parsed.programs[0][1].startswith("--context="), "the cluster is named"


@pytest.mark.parametrize("stack", STACKS)
def test_faults_use_the_commands_of_the_scenario(stack: str, tmp_path: Path) -> None:
    rendered = registry(target(stack, tmp_path)).scenarios["disaster_recovery"]
    known = {line for _, line in lines_of_scenario(rendered)}
    lab = lab_of()
    menu = FaultMenu(lab, STACKS[stack].mesh(lab), do=lambda _: None)
    shared = {one.id: known.intersection((*one.commands, *one.undo_commands)) for one in menu.list()}
    assert {name: len(lines) for name, lines in shared.items() if name in IN_THE_SCENARIO} == IN_THE_SCENARIO


def test_a_cluster_without_podinfo_has_nothing_to_kill() -> None:
    lab = lab_of(config.parse("[clusters.east.podinfo]\nreplicas = 0"))
    ids = [one.id for one in catalog.of_lab(lab, STACKS["linkerd"].mesh(lab), shown=str)]
    assert "kill-podinfo-east" not in ids
    assert "kill-podinfo-west" in ids


def test_every_link_of_west_can_be_cut_and_every_exporting_gateway_killed() -> None:
    lab = lab_of(config.parse('[clusters.north]\n[exports]\npodinfo = ["east", "north"]'))
    ids = [one.id for one in catalog.of_lab(lab, STACKS["linkerd"].mesh(lab), shown=str)]
    assert [name for name in ids if name.startswith("cut-")] == ["cut-west-east", "cut-west-north"]
    assert [name for name in ids if name.startswith("kill-gateway-")] == ["kill-gateway-east", "kill-gateway-north"]


def test_the_undo_starts_as_many_pods_as_lab_toml_says() -> None:
    lab = lab_of(config.parse("[clusters.east.podinfo]\nreplicas = 3"))
    menu = FaultMenu(lab, STACKS["istio"].mesh(lab), do=lambda _: None)
    (fault,) = (one for one in menu.list() if one.id == "kill-podinfo-east")
    assert fault.undo_commands[0].endswith("scale deployment podinfo --replicas=3")


def test_the_filter_of_the_manifest_is_the_one_that_is_looked_for() -> None:
    (obj,) = manifests.load(latency.MANIFEST)
    assert ref(obj) == latency.FILTER
    (patch,) = obj["spec"]["configPatches"]
    assert patch["patch"]["value"]["typed_config"]["delay"]["fixed_delay"] == "0.5s"
    (application,) = [
        one
        for one in manifests.render(
            APPS / "podinfo" / "manifests" / "podinfo.yaml",
            image="i",
            cluster="east",
            color="#fff",
            message="m",
            replicas=1,
        )
        if one["kind"] == "Deployment"
    ]
    labels = application["spec"]["template"]["metadata"]["labels"]
    assert obj["spec"]["workloadSelector"]["labels"].items() <= labels.items()


def test_podinfo_gets_a_delay_with_which_it_starts(lab: Lab) -> None:
    # podinfo draws from (max - min), which must be positive (pkg/api/http/delay.go).
    assert int(podinfo.DELAY["PODINFO_RANDOM_DELAY_MIN"]) < int(podinfo.DELAY["PODINFO_RANDOM_DELAY_MAX"])
    assert not podinfo.is_delayed(None)
