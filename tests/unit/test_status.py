"""What the status says of a lab, and with which exit code and next command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from lab.base.names import Cluster
from lab.cli.app import app
from lab.clusters import Node, NodeStatus
from lab.clusters.provider import WireState
from lab.components import podinfo
from lab.kube import KubeError
from lab.kube.objects import Ref
from lab.lab import Lab
from lab.lifecycle import status
from lab.lifecycle.answers import FrontendAnswers
from lab.lifecycle.artifacts import Installed
from lab.lifecycle.changes import Change, Traffic
from lab.lifecycle.status import distrust
from lab.mesh import Export, Failover, Gateway, Identity, Intercept, Link, Split
from tests.unit.fake_api import FakeApi

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EAST = Identity(
    cluster="east",
    trust_domain="east.example",
    names="spiffe://east.example/…",
    anchor_fingerprint="ab" * 32,
    anchor_ends=NOW + timedelta(days=1),
    issuer_ends=NOW + timedelta(days=1),
)
WEST = replace(EAST, cluster="west", trust_domain="west.example")


def test_clusters_of_one_anchor_that_has_not_ended_trust_each_other() -> None:
    assert distrust((EAST, WEST), NOW) == ()


def test_another_anchor_is_named_with_both_and_the_fix() -> None:
    (words,) = distrust((EAST, replace(WEST, anchor_fingerprint="cd" * 32)), NOW)
    assert "east abababab" in words
    assert "west cdcdcdcd" in words
    assert "lab up" in words


def test_what_has_ended_is_named_with_its_day_and_the_fix() -> None:
    anchor, issuer = distrust((replace(EAST, anchor_ends=NOW), replace(WEST, issuer_ends=NOW)), NOW)
    assert "east: trust anchor expired on 2026-01-01" in anchor
    assert "`lab down`, then `lab up`" in anchor
    assert "west: issuer certificate expired" in issuer


EXPORT = Export(service="podinfo", source="east", name="podinfo-east", seen_in=("west",), endpoints=1)
LOCKED = Change(cluster="east", kind="permission", effect="locked: nobody may call podinfo in east")
FAILING = FrontendAnswers(
    cluster="east", upstream="podinfo", requests=12, failed=12, problem="12 of 12 requests of east's frontend fail"
)


@dataclass
class World:
    """What a lab that is up says; each field is what one of the questions brings."""

    lab: Lab
    answers: FrontendAnswers
    traffic: Traffic
    changes: tuple[Change, ...] = ()
    workloads: tuple[str, ...] = ()
    lacking_routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gateways: tuple[Gateway, ...] = ()
    silent: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    cuts: tuple[tuple[str, str], ...] = ()
    scaled: frozenset[Ref] = frozenset()
    sources: Mapping[str, Installed] = field(
        default_factory=lambda: {
            "kubectl": Installed(title="kubectl", version="1.37.0", source="upstream"),
            "podinfo": Installed(title="podinfo's image", version="6.9.2", source="upstream"),
            "frontend": Installed(title="the frontend's image", version="0.1.0", source="built here"),
        }
    )


@pytest.fixture
def world(lab: Lab, apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch) -> World:
    assert apis
    asked = FrontendAnswers(cluster="east", upstream="podinfo", requests=12, by_cluster={"east": 12})
    made = World(lab=lab, answers=asked, traffic=Traffic(exports=(EXPORT,)))
    mesh = SimpleNamespace(
        name="istio",
        gateways=lambda: list(made.gateways),
        links=lambda: list(made.links),
        identities=lambda names: [replace(one, anchor_ends=FUTURE, issuer_ends=FUTURE) for one in (EAST, WEST)],
    )
    stack = SimpleNamespace(
        mesh=lambda lab: mesh,
        answers=lambda lab, cluster: {"podinfo": frozenset({cluster})},
        artifacts=lambda lab: ("kubectl",),
        images=lambda lab: ("podinfo", "frontend"),
        scaled=lambda lab: made.scaled,
    )
    nodes = {name: Node(name=name, status=NodeStatus.RUNNING, address="172.30.0.2") for name in lab.clusters}

    def wire(*_: object) -> WireState:
        return WireState(missing_routes=made.lacking_routes, cuts=made.cuts)

    monkeypatch.setattr(status.stacks, "current", lambda _: stack)
    monkeypatch.setattr(
        status, "provider", lambda: SimpleNamespace(look=lambda _: nodes, wire=SimpleNamespace(state=wire))
    )

    def version(cluster: Cluster) -> str:
        if cluster.name in made.silent:
            raise KubeError("no usable context", where=cluster.name)
        return "v1.37.2"

    monkeypatch.setattr(status, "connect", lambda cluster, timeout_s: SimpleNamespace(version=lambda: version(cluster)))
    monkeypatch.setattr(status.answers, "ask", lambda *_, **__: made.answers)
    monkeypatch.setattr(status.changes, "traffic", lambda *_: made.traffic)
    monkeypatch.setattr(status.changes, "find", lambda *_: made.changes)
    monkeypatch.setattr(status.artifacts, "used", lambda _, names: [made.sources[name] for name in names])
    monkeypatch.setattr(status.installed, "problems", lambda *_: list(made.workloads))
    monkeypatch.setattr("lab.cli.named.lab_of", lambda *_, **__: lab)
    monkeypatch.setattr("lab.clusters.kind.provider.KindProvider.foreign", lambda *_: "")
    return made


FUTURE = datetime.now(UTC) + timedelta(days=1000)


def shown(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["status", *words])
    return result.exit_code, result.stdout


def test_a_lab_that_works_is_alive(world: World) -> None:
    code, text = shown()
    assert (code, "everything is alive" in text, "✗" in text) == (0, True, False)
    assert "answered by east 12" in text
    assert "artifacts: 1 built here, 2 upstream (`lab artifacts list`)" in text


def test_the_json_names_each_artifact_with_its_source(world: World) -> None:
    sources = {one["title"]: one["source"] for one in json.loads(shown("--json")[1])["artifacts"]}
    assert sources == {"kubectl": "upstream", "podinfo's image": "upstream", "the frontend's image": "built here"}


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"workloads": ("west: Deployment test/podinfo is missing",)}, "Deployment test/podinfo is missing"),
        (
            {"lacking_routes": {"west": ("unreachable 10.10.0.0/16",)}},
            "west: the node lacks routes that keep pod traffic inside its cluster: unreachable 10.10.0.0/16",
        ),
        ({"answers": FAILING}, "12 of 12 requests of east's frontend fail"),
        ({"traffic": Traffic()}, "podinfo is not exported"),
        ({"traffic": Traffic(exports=(replace(EXPORT, endpoints=0),))}, "no ready endpoints"),
    ],
)
def test_what_is_not_alive_is_named_with_the_next_command(world: World, what: dict[str, Any], words: str) -> None:
    for name, value in what.items():
        setattr(world, name, value)
    code, text = shown()
    assert code == 1
    assert words in text
    assert "something is not alive; next: lab up" in text
    assert "everything is alive" not in text
    code, text = shown("--json")
    assert code == 1
    assert any(words in problem for problem in json.loads(text)["problems"])


@pytest.mark.parametrize("silent", [("east", "west"), ("west",)])
def test_exports_that_cannot_be_read_are_not_called_missing(world: World, silent: tuple[str, ...]) -> None:
    world.traffic, world.silent = Traffic(), silent
    code, text = shown("--json")
    problems = json.loads(text)["problems"]
    assert code == 1
    assert f"east: cannot check whether podinfo is exported: no answer from {', '.join(silent)}" in problems
    assert not any("not exported" in problem for problem in problems)


def test_a_change_alone_is_shown_and_is_no_problem(world: World) -> None:
    world.changes = (LOCKED,)
    code, text = shown()
    assert code == 0
    assert LOCKED.effect in text
    assert "lab reset" in text
    assert "everything is alive" in text
    assert json.loads(shown("--json")[1])["changes"] == [
        {"cluster": "east", "kind": "permission", "effect": LOCKED.effect}
    ]


def test_a_change_that_makes_requests_fail_is_undone_by_reset(world: World) -> None:
    world.changes, world.answers = (LOCKED,), FAILING
    code, text = shown()
    assert code == 1
    assert LOCKED.effect in text
    assert "next: lab reset" in text


def test_an_export_that_keda_scales_may_have_no_endpoints(world: World) -> None:
    world.traffic = Traffic(exports=(replace(EXPORT, endpoints=0),))
    assert shown()[0] == 1
    world.scaled = frozenset({podinfo.DEPLOYMENT})
    code, text = shown()
    assert (code, "everything is alive" in text) == (0, True)


def test_a_lab_with_keda_still_asks_its_frontend(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    stack = status.stacks.current(world.lab)
    monkeypatch.setattr(stack, "answers", lambda lab, cluster: {})
    words = "east's frontend does not answer through its ingress: 404"

    def ask(lab: Lab, cluster: str, upstream: str, *_: object, **__: object) -> FrontendAnswers:
        asked.append(upstream)
        problem = words if cluster == "east" and len(asked) <= 2 else ""
        return FrontendAnswers(cluster=cluster, upstream=upstream, requests=1, problem=problem)

    monkeypatch.setattr(status.answers, "ask", ask)
    code, text = shown()
    assert (code, words in text, "everything is alive" in text) == (1, True, False)
    code, text = shown()
    assert (code, "✓ east's frontend answers through its ingress" in text) == (0, True)
    assert asked == [""] * 4


EAST_ONLY = FrontendAnswers(
    cluster="west",
    upstream="podinfo",
    requests=24,
    by_cluster={"east": 24},
    missing=("west",),
    problem="west answered none of 24 requests of west's frontend to podinfo",
)


def split(**weights: int) -> Traffic:
    named = {name.replace("_", "-"): weight for name, weight in weights.items()}
    return Traffic(exports=(EXPORT,), splits=(Split(cluster="west", service="podinfo", weights=named),))


def failover(primary: str, backup: str, *, cluster: str = "west", service: str = "podinfo") -> Traffic:
    wanted = Failover(cluster=cluster, service=service, primary=primary, backup=backup)
    return Traffic(exports=(EXPORT,), failovers=(wanted,))


def intercept(header: str) -> Traffic:
    wanted = Intercept(cluster="west", service="podinfo", to="podinfo-dev", header=header, value="me")
    return Traffic(exports=(EXPORT,), intercepts=(wanted,))


@pytest.mark.parametrize(
    ("traffic", "cuts", "code"),
    [
        (split(podinfo=0, podinfo_east=100), (), 0),
        (split(podinfo_east=1), (), 0),
        (split(podinfo=10, podinfo_east=90), (), 0),
        (split(podinfo=50, podinfo_east=50), (), 1),
        (split(podinfo=100, podinfo_east=0), (), 1),
        (failover("east", "west"), (), 0),
        (failover("west", "east"), (), 1),
        (failover("east", "west", cluster="east"), (), 1),
        (failover("east", "west", service="cart"), (), 1),
        (intercept(""), (), 0),
        (intercept("x-lab-dev"), (), 1),
        (Traffic(exports=(EXPORT,)), (), 1),
        (Traffic(exports=(EXPORT,)), (("west", "east"),), 1),
    ],
)
def test_a_change_that_sends_all_requests_to_one_cluster_is_no_failure(
    world: World, traffic: Traffic, cuts: tuple[tuple[str, str], ...], code: int
) -> None:
    world.answers, world.traffic, world.cuts = EAST_ONLY, traffic, cuts
    assert shown()[0] == code


def test_a_cut_explains_a_missing_cluster_and_a_dead_link(world: World) -> None:
    world.answers = replace(EAST_ONLY, cluster="east")
    world.links = (Link(source="west", target="east", server=None, alive=False, detail="no answer"),)
    assert shown()[0] == 1
    world.cuts = (("west", "east"),)
    code, text = shown()
    assert (code, "nothing is broken besides the changes" in text, "everything is alive" in text) == (0, True, False)


def test_failing_requests_stay_a_failure_whatever_was_changed(world: World) -> None:
    world.answers, world.traffic, world.cuts = FAILING, failover("east", "west"), (("west", "east"),)
    assert shown()[0] == 1
