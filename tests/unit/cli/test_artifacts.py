from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab.base.errors import UnavailableError
from lab.base.step import CHANGED, Step
from lab.host.prepare import Prepared
from lab.lifecycle.artifacts import ArtifactPlan
from tests.unit.cli.conftest import Command

PLAN = ArtifactPlan(
    names=("kubectl",),
    steps=[Step(name="kubectl", title="build kubectl", run=lambda: CHANGED)],
    unavailable=None,
)


def test_artifacts_are_listed_and_planned_without_building(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.lifecycle.artifacts.listing", lambda *_, **__: [])
    assert lab("artifacts", "list", "--json").json == []
    monkeypatch.setattr("lab.lifecycle.artifacts.plan_of", lambda *_: PLAN)
    assert "build kubectl" in lab("artifacts", "build", "--plan").out


def test_a_plan_names_what_no_source_has(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    partly = replace(PLAN, unavailable=UnavailableError("helm is unavailable", wanted=(), next="docker pull helm"))
    monkeypatch.setattr("lab.lifecycle.artifacts.plan_of", lambda *_: partly)
    ended = lab("artifacts", "build", "--plan")
    assert (ended.code, "build kubectl" in ended.out, "helm is unavailable" in ended.err) == (2, True, True)
    assert "next:  docker pull helm" in ended.err


def test_artifacts_are_built_on_a_machine_that_is_ready_for_that(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another lab may have the ports: nothing that only `lab up` needs is checked."""
    asked: list[Any] = []

    def prepare(*_: Any, **how: Any) -> Prepared:
        asked.append((how["clusters"], how["needs"]))
        return Prepared(findings=[], changed=False)

    monkeypatch.setattr("lab.cli.machine.prepare", prepare)
    monkeypatch.setattr("lab.lifecycle.artifacts.plan_of", lambda *_: PLAN)
    monkeypatch.setattr("lab.lifecycle.artifacts.needs_of", lambda _, names: names)
    ended = lab("artifacts", "build", "kubectl")
    assert (ended.code, asked) == (0, [(False, ("kubectl",))])
    assert "kubectl: build kubectl" in ended.err
    assert ended.out == "✓ all there: kubectl\n"


def test_what_cannot_be_built_is_a_usage_error(lab: Command) -> None:
    assert lab("artifacts", "build", "nothing", "--plan").code == 2


def test_clean_prints_what_it_deleted(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        "lab.lifecycle.artifacts.clean", lambda _, everything: asked.append(everything) or iter(["kubectl deleted"])
    )
    assert lab("artifacts", "clean", "--all").out == "✓ kubectl deleted\n"
    assert asked == [True]


def test_what_the_registry_lacks_is_pushed(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    store = "lab.artifacts.store.ArtifactStore"
    monkeypatch.setattr(f"{store}.is_pushed", lambda _, name: name != "podinfo")
    monkeypatch.setattr(f"{store}.pulled_as", lambda _, name: f"registry.example/{name}:1")
    monkeypatch.setattr(f"{store}.problem", lambda *_: None)
    pushed: list[list[str]] = []

    def ensure(_: Any, names: list[str]) -> list[str]:
        pushed.append(names)
        return ["registry.example/frontend:1"]

    monkeypatch.setattr("lab.artifacts.push.ensure", ensure)
    ended = lab("push")
    assert pushed == [["istio-pilot", "istio-proxy", "frontend"]]
    assert "✓ registry.example/frontend:1" in ended.out
    assert "= registry.example/istio-pilot:1 is there already" in ended.out
    (one,) = lab("push", "frontend", "--json").json
    assert one == {"artifact": "frontend", "reference": "registry.example/frontend:1", "changed": True}
    assert "nothing to push" in lab("push", "podinfo").out
    assert lab("push", "nonsense").code == 2
