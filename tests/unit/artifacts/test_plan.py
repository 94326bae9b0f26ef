"""The missing artifacts, and the order of their builds."""

from __future__ import annotations

import pytest

from lab.artifacts import plan
from lab.artifacts.make import make
from lab.artifacts.store import ArtifactStore
from lab.base.step import CHANGED
from lab.lifecycle.runner import run


def test_nothing_is_planned_when_all_is_there(store: ArtifactStore, built: list[str]) -> None:
    for name in ("tool", "part", "whole"):
        make(store, name)
    assert plan.steps(store, ["tool", "whole"]) == []


def test_the_parts_of_a_thing_that_is_whole_are_not_looked_at(store: ArtifactStore) -> None:
    for name in ("tool", "part", "whole"):
        make(store, name)
    (store.folder("part") / "part.txt").unlink()
    assert plan.missing(store, ["whole"]) == []


def test_parts_come_before_what_is_made_from_them(store: ArtifactStore) -> None:
    steps = {step.name: step for step in plan.steps(store, ["whole"])}
    assert set(steps["artifact/whole"].after) == {"artifact/part", "artifact/tool"}


def test_parts_that_are_there_are_no_steps(store: ArtifactStore) -> None:
    make(store, "part")
    names = [step.name for step in plan.steps(store, ["whole"])]
    assert names == ["artifact/tool", "artifact/whole"]


def test_the_longest_chain_comes_first(store: ArtifactStore) -> None:
    assert next(step.name for step in plan.steps(store, ["tool", "whole"])) == "artifact/part"


def test_the_steps_run(store: ArtifactStore, built: list[str]) -> None:
    report = run(plan.steps(store, ["whole"]), sink=lambda event: None)
    assert set(report.changed) == {"artifact/part", "artifact/tool", "artifact/whole"}
    assert report.results["artifact/whole"].status is CHANGED.status
    assert store.image("whole")


@pytest.mark.parametrize(("on_path", "wanted"), [(True, set()), (False, {"go"})])
def test_a_toolchain_is_fetched_only_where_path_has_none(
    monkeypatch: pytest.MonkeyPatch, store: ArtifactStore, on_path: bool, wanted: set[str]
) -> None:
    monkeypatch.setattr(plan, "_has_go", lambda required: on_path)
    monkeypatch.setattr(plan, "_GO_RECIPES", {"write"})
    assert set(plan._needs(store, "tool")) == wanted
    assert "go" not in store.keys.needs("tool")
