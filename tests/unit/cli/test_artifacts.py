from __future__ import annotations

from typing import Any

import pytest

from lab.base.step import CHANGED, Step
from tests.unit.cli.conftest import Command


def test_artifacts_are_listed_and_planned_without_building(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.lifecycle.artifacts.listing", lambda *_, **__: [])
    assert lab("artifacts", "list", "--json").json == []
    steps = [Step(name="kubectl", title="build kubectl", run=lambda: CHANGED)]
    monkeypatch.setattr("lab.lifecycle.artifacts.steps", lambda *_: steps)
    assert "build kubectl" in lab("artifacts", "build", "--plan").out


def test_what_cannot_be_built_is_a_usage_error(lab: Command) -> None:
    assert lab("artifacts", "build", "nothing", "--plan").code == 2


def test_clean_prints_what_it_deleted(lab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        "lab.lifecycle.artifacts.clean", lambda _, everything: asked.append(everything) or iter(["kubectl deleted"])
    )
    assert lab("artifacts", "clean", "--all").out == "✓ kubectl deleted\n"
    assert asked == [True]
