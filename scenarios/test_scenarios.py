"""One test per scenario, or with `--sabotage` one per sabotage. FAILED, ERRORED and SKIPPED stay distinct."""

from __future__ import annotations

import pytest

from lab import config, stacks
from lab.lab import Lab
from lab.report.environment import target_of
from lab.report.session import Session
from lab.scenario.observation import Outcome
from lab.scenario.registry import registry
from lab.scenario.results import CheckResult


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Create a test for each scenario, or for each sabotage."""
    lab = Lab.of(config.load(config.find()))
    chosen = registry(target_of(lab, stacks.current(lab).name)).pick([])
    if not metafunc.config.getoption("--sabotage"):
        cases = [pytest.param(scenario, None, id=scenario.name) for scenario in chosen]
    else:
        cases = [pytest.param(s, step, id=f"{s.name}-{step.name}") for s in chosen for step in s.sabotaged_steps]
    metafunc.parametrize(("scenario", "sabotaged"), cases)


def test_scenario(session: Session, scenario, sabotaged) -> None:  # type: ignore[no-untyped-def]
    """Test that the claim holds, or that the named check fails under sabotage."""
    run = session.run_one(scenario, sabotaged)
    for check in run.checks:
        print(words(check))
    if run.sabotage is not None:
        if run.sabotage.caught is None:
            pytest.skip(run.sabotage.verdict)
        assert run.sabotage.caught, run.sabotage.verdict
    elif run.outcome is Outcome.SKIPPED:
        pytest.skip(run.reason)
    elif run.outcome is Outcome.FAILED:
        pytest.fail(f"FAILED: {run.reason}", pytrace=False)
    elif run.outcome is Outcome.ERRORED:
        pytest.fail(f"ERRORED, the lab broke: {run.reason}", pytrace=False)
    assert not run.restore_problems


def words(check: CheckResult) -> str:
    """Return a check's result as one line."""
    result = check.observed or check.reason
    return f"{check.outcome.value:<8} {check.duration_s:6.2f} s  {check.claim}: {result}"
