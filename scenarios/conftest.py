"""`pytest scenarios` runs every scenario on the running lab; with `--sabotage`, every sabotage instead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import config, report, stacks
from lab.base.errors import LabError
from lab.lab import Lab
from lab.lifecycle import lock
from lab.report.environment import facts_of, keep_state, steps_of
from lab.report.session import Session, runs_folder
from lab.scenario.runner import ScenarioRunner


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a run."""
    group = parser.getgroup("scenarios")
    group.addoption("--sabotage", action="store_true", help="switch each mechanism off: its check must fail")
    group.addoption("--full", action="store_true", help="also run the steps that stop whole clusters")
    group.addoption("--rate", type=float, help="requests per second of steady loads")


@pytest.fixture(scope="session")
def session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """Return the session of this run; it writes the report after the last test."""
    lab = Lab.of(config.load(config.find()))
    mesh = stacks.mesh(lab)
    try:
        steps = steps_of(lab, mesh, full=pytestconfig.getoption("--full"), rate_per_s=pytestconfig.getoption("--rate"))
    except LabError as error:
        if pytestconfig.getoption("--require-lab"):
            raise
        pytest.skip(f"no lab is up: {error}")
    with lock.held(lab.paths, "pytest scenarios"):
        made = Session(
            runner=ScenarioRunner(steps=steps),
            facts=facts_of(lab, mesh),
            run_folder=report.RunFolder.new(runs_folder()),
            keep_state=lambda folder: keep_state(steps.context, folder),
        )
        yield made
        made.write("sabotage" if pytestconfig.getoption("--sabotage") else "run")
