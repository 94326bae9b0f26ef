"""What a walk, a command or a person has changed, in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.base.distance import Distance
from lab.base.names import SCENARIO_LABEL
from lab.base.paths import Paths
from lab.clusters.provider import Means, OneWay, WireState
from lab.components.podinfo import DELAY
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.lifecycle import changes
from lab.lifecycle.changes import Traffic
from lab.mesh import Caller, Export, Failover, Intercept, Permission, Split
from tests.unit.fake_api import FakeApi, kube, put

FRONTEND = Caller(cluster="west", namespace="test", service_account="frontend")
ELSEWHERE = Caller(cluster="west", namespace="other", service_account="frontend")


def export(service: str) -> Export:
    return Export(service=service, source="east", name=f"{service}-east", seen_in=("west",), endpoints=1)


def effects(lab: Lab, **found: Any) -> list[str]:
    return [change.effect for change in changes.find(lab, Traffic(**found), [], WireState())]


@pytest.mark.parametrize(
    ("permission", "words"),
    [
        (
            Permission(
                cluster="east", service="podinfo", callers=(FRONTEND,), methods=("GET",), paths=("/api/info", "/env")
            ),
            "locked: only west/frontend may GET /api/info or /env of podinfo in east",
        ),
        (
            Permission(cluster="east", service="podinfo", callers=(FRONTEND, ELSEWHERE)),
            "locked: only west/frontend and west/other/frontend may call podinfo in east",
        ),
        (Permission(cluster="east", service="ledger", callers=()), "locked: nobody may call ledger in east"),
    ],
)
def test_a_permission_says_who_may_do_what(lab: Lab, permission: Permission, words: str) -> None:
    assert effects(lab, permissions=(permission,)) == [words]


def test_splits_failovers_and_intercepts_say_where_requests_go(lab: Lab) -> None:
    split = Split(cluster="west", service="podinfo", weights={"podinfo": 90, "podinfo-east": 10})
    failover = Failover(cluster="west", service="podinfo", primary="west", backup="east")
    divert = Intercept(cluster="west", service="cart", to="cart-dev", header="x-lab-dev", value="me")
    assert effects(lab, splits=(split,), failovers=(failover,), intercepts=(divert,)) == [
        "split: of west's requests to podinfo, 90 to podinfo, 10 to podinfo-east",
        "failover: west's requests to podinfo go to west, and to east when west fails",
        "intercept: west's requests to cart with x-lab-dev=me go to cart-dev",
    ]


def test_exports_of_lab_toml_are_no_change(lab: Lab) -> None:
    assert effects(lab, exports=(export("podinfo"), export("ledger"))) == [
        "export: ledger of east is ledger-east in west"
    ]


def test_a_cut_names_both_clusters(lab: Lab) -> None:
    (cut,) = changes.find(lab, Traffic(), [], WireState(cuts=(("west", "east"),)))
    assert cut.effect == "cut: west's node drops all traffic to east"
    assert cut.decides_answers


def test_cuts_in_both_directions_are_a_partition(lab: Lab) -> None:
    (change,) = changes.find(lab, Traffic(), [], WireState(cuts=(("west", "east"), ("east", "west"))))
    assert change.effect == "partition: no packet passes between east | west; requests across it get no answer"
    assert change.decides_answers


FAR = Distance(delay_ms=80, loss_percent=1)


def far(source: str, target: str, **changed: Any) -> OneWay:
    return OneWay(**{"source": source, "target": target, "distance": FAR, "means": Means.LINE, **changed})


def test_a_distance_says_what_it_costs(lab: Lab) -> None:
    wire = WireState(distances=(far("west", "east"), far("east", "west")))
    (change,) = changes.find(lab, Traffic(), [], wire)
    assert (change.cluster, change.kind, change.decides_answers) == ("east, west", "distance", False)
    assert change.effect == (
        "distance: east and west are 80 ms, 1 % loss apart (a request takes 80 ms more for each round trip; "
        "lost packets are sent again, which delays requests)"
    )


def test_a_distance_whose_means_has_ended_names_the_direction(lab: Lab) -> None:
    wire = WireState(distances=(far("west", "east", works=False), far("east", "west")))
    (change,) = changes.find(lab, Traffic(), [], wire)
    assert change.effect.endswith("; the delay line from west to east has stopped")


def test_a_distance_as_in_lab_toml_is_no_change(tmp_path: Path) -> None:
    lab = lab_with('[[links]]\nbetween = ["west", "east"]\ndelay = "80ms"\nloss = "1%"\n', tmp_path)
    sides = (far("west", "east", works=False), far("east", "west"))  # what has ended is a problem
    assert changes.find(lab, Traffic(), [], WireState(distances=sides)) == ()
    other = replace(FAR, delay_ms=200)
    (change,) = changes.find(
        lab, Traffic(), [], WireState(distances=tuple(replace(side, distance=other) for side in sides))
    )
    assert "are 200 ms, 1 % loss apart" in change.effect
    assert "; lab.toml says 80 ms, 1 % loss; " in change.effect


def lab_with(toml: str, folder: Path) -> Lab:
    paths = Paths(cache=folder / "cache", state=folder / "state")
    return Lab(spec=config.parse(toml), paths=paths, artifacts=None)  # type: ignore[arg-type]


def test_objects_of_a_scenario_are_one_change_with_its_name(lab: Lab, apis: dict[str, FakeApi]) -> None:
    west = kube(apis["west"], "west")
    for name in ("probe-a", "probe-b", "probe-c"):
        put(west, deployment(name, **{SCENARIO_LABEL: "isolation"}))
    put(west, deployment("podinfo"))
    going = deployment("probe-d", **{SCENARIO_LABEL: "isolation"})
    put(west, {**going, "metadata": {**going["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    (change,) = changes.find(lab, Traffic(), ["west"], WireState())
    assert change.effect == "objects of isolation: Deployment test/probe-a, Deployment test/probe-b and 1 more"
    assert not change.decides_answers


def test_a_podinfo_that_the_stage_has_slowed_down_is_a_change(lab: Lab, apis: dict[str, FakeApi]) -> None:
    west = kube(apis["west"], "west")
    slow = deployment("podinfo")
    delay = [{"name": name, "value": value} for name, value in DELAY.items()]
    slow["spec"]["template"] = {"spec": {"containers": [{"name": "podinfo", "env": delay}]}}
    put(west, slow)
    (change,) = changes.find(lab, Traffic(), ["west"], WireState())
    assert (change.cluster, change.effect) == ("west", "slow: podinfo waits before each answer")
    assert not change.decides_answers


def test_a_node_that_a_drain_left_cordoned_is_a_change(lab: Lab, apis: dict[str, FakeApi]) -> None:
    west = kube(apis["west"], "west")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": lab.clusters["west"].node}}
    put(west, {**node, "spec": {"unschedulable": True}})
    (change,) = changes.find(lab, Traffic(), ["west"], WireState())
    assert (change.cluster, change.effect) == ("west", "cordon: west's node accepts no new pods")
    assert not change.decides_answers


def deployment(name: str, **labels: str) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "test", "labels": labels},
        "spec": {"replicas": 1},
    }
