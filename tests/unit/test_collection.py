"""The tests that need a lab can be named together."""

import subprocess
import sys

from lab.base.paths import PROJECT


def test_end_to_end_tests_and_scenarios_run_in_one_command() -> None:
    words = ["tests/e2e", "scenarios", "--require-lab", "--collect-only", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=PROJECT, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests/e2e/test_commands.py::" in done.stdout
    assert "scenarios/test_scenarios.py::" in done.stdout
