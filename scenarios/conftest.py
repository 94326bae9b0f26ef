"""`pytest scenarios` runs every scenario on the lab that is up; `--sabotage` runs every sabotage instead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import config, lock, report, stacks
from lab.artifacts import ArtifactStore
from lab.context import Lab
from lab.errors import LabError
from lab.paths import Paths
from lab.scenario_lab import context_of, facts_of, keep_state
from lab.scenario_runner import ScenarioRunner
from lab.scenario_session import Session, runs_folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a run."""
    group = parser.getgroup("scenarios")
    group.addoption("--sabotage", action="store_true", help="switch each mechanism off: its check must fail")
    group.addoption("--full", action="store_true", help="also the steps that stop whole clusters")
    group.addoption("--rate", type=float, default=50.0, help="requests per second of steady loads")
    group.addoption("--require-lab", action="store_true", help="no lab is a failure, not a skip")


@pytest.fixture(scope="session")
def session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """The run: its report is written when the last test has ended."""
    spec = config.load(config.find())
    paths = Paths.of(spec.name)
    lab = Lab(spec=spec, paths=paths, artifacts=ArtifactStore.of(spec, paths))
    mesh = stacks.mesh(lab)
    try:
        context = context_of(
            lab, mesh, full=pytestconfig.getoption("--full"), rate_per_s=pytestconfig.getoption("--rate")
        )
    except LabError as error:
        if pytestconfig.getoption("--require-lab"):
            raise
        pytest.skip(f"no lab is up: {error}")
    with lock.held(paths, "pytest scenarios"):
        made = Session(
            runner=ScenarioRunner(context=context),
            facts=facts_of(lab, mesh),
            run_folder=report.RunFolder.new(runs_folder()),
            keep_state=lambda folder: keep_state(context, folder),
        )
        yield made
        made.write("sabotage" if pytestconfig.getoption("--sabotage") else "run")
