"""The scenarios on real clusters: they pass, each sabotage is caught, and all changes are undone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.scenario.registry import names
from tests.e2e.conftest import RunningLab

NAMES = names()
# Tests share two cores with whatever else the machine does; the figures of a run are another matter.
RATE = ("--rate", "20")


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest, lab: RunningLab) -> Iterator[dict[str, Any]]:
    """All selected scenarios in one run, by name."""
    selected = {item.name for item in request.session.items}
    names = [name for name in NAMES if f"{test_a_scenario_passes.__name__}[{name}]" in selected]
    report = lab.json("run", *names, *RATE, exit_code=None)
    yield {scenario["name"]: scenario for scenario in report["scenarios"]}
    assert lab.json("status")["exports"]


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_passes(run: dict[str, Any], name: str) -> None:
    problems = [
        f"{check['name']}: {check['outcome']}: {check['observed'] or check['reason']}"
        for step in run[name]["steps"]
        for check in step["checks"]
        if check["outcome"] != "passed"
    ]
    if run[name]["outcome"] == "skipped":
        pytest.skip(run[name]["reason"])
    assert run[name]["outcome"] == "passed", "\n".join([run[name]["reason"], *problems])


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_turns_red_when_its_mechanism_is_switched_off(lab: RunningLab, name: str) -> None:
    report = lab.json("run", name, "--sabotage", *RATE, exit_code=None)
    if any(s["outcome"] == "skipped" for s in report["scenarios"]):
        pytest.skip(report["scenarios"][0]["reason"])
    verdicts = [s["sabotage"]["verdict"] for s in report["scenarios"]]
    assert verdicts
    assert all(s["sabotage"]["caught"] for s in report["scenarios"]), verdicts
    assert lab.status()["changes"] == []


def test_reset_finds_nothing_left_to_undo(lab: RunningLab) -> None:
    assert lab.run("reset").strip() == "✓ the lab is in its known state"
