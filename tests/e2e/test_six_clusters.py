"""Six clusters: all answer all, scenarios run on them, a seventh joins and leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest

from tests.e2e.conftest import RunningLab, docker, leftovers
from tests.e2e.test_answers import kubectl

NAME = "e2e-six"
SIX = {"east": 27181, "west": 27180, "north": 27182, "south": 27183, "alps": 27184, "bay": 27185}
STAGE_PORT = 27565
RATE = ("--rate", "20")
SCENARIOS = ("service_discovery", "cross_cluster_access", "request_routing", "isolation", "dev_loop")
"""Without those with a failover: its manifest names two clusters, and on Istio all others share the backup's place."""


@pytest.fixture(scope="module")
def six(request: pytest.FixtureRequest) -> Iterator[RunningLab]:
    """A lab with six clusters, which is deleted at the end."""
    stack = request.config.getoption("--stack")
    folder = Path(tempfile.gettempdir()) / f"eastwest-lab-{NAME}-{os.getuid()}"
    tables = "".join(f"[clusters.{name}]\ningress_port = {port}\n" for name, port in SIX.items())
    lab = RunningLab(folder=folder, name=NAME, toml=f'stack = "{stack}"\n[stage]\nport = {STAGE_PORT}\n{tables}')
    lab.run("up", "--yes")
    lab.run("reset")
    yield lab
    if not request.config.getoption("--keep-lab"):
        lab.run("down")
        assert leftovers(NAME) == []
        shutil.rmtree(folder)


def test_all_clusters_are_alive_and_known_to_each_other(six: RunningLab) -> None:
    six.wait_healthy()
    status = six.status()
    assert list(status["clusters"]) == list(SIX)
    links = {(link["source"], link["target"]) for link in status["links"] if link["alive"]}
    wanted = set(permutations(SIX, 2)) if six.stack == "istio" else {(name, "east") for name in SIX if name != "east"}
    assert links == wanted
    answering = {one["cluster"]: set(one["by_cluster"]) for one in status["answers"] if one["upstream"] == "podinfo"}
    assert answering == {name: set(SIX) if six.stack == "istio" else {name} for name in SIX}
    colours = {
        kubectl(
            six,
            name,
            "-n",
            "test",
            "get",
            "deployment",
            "podinfo",
            "-o",
            "jsonpath={..env[?(@.name=='PODINFO_UI_COLOR')].value}",
        )
        for name in SIX
    }
    assert len(colours) == len(SIX)


def test_a_second_up_changes_nothing(six: RunningLab) -> None:
    steps = six.json("up")["steps"]
    assert {name: step["status"] for name, step in steps.items() if step["status"] != "unchanged"} == {}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_passes_on_six_clusters(six: RunningLab, name: str) -> None:
    (run,) = six.json("run", name, *RATE, exit_code=None)["scenarios"]
    problems = [
        f"{check['name']}: {check['outcome']}: {check['observed'] or check['reason']}"
        for step in run["steps"]
        for check in step["checks"]
        if check["outcome"] != "passed"
    ]
    assert run["outcome"] == "passed", "\n".join([run["reason"], *problems])
    assert six.status()["changes"] == []


def test_a_seventh_cluster_joins_is_shown_and_leaves(six: RunningLab) -> None:
    joined = six.json("cluster", "add", "moon")
    assert joined["changed"] is True
    six.wait_healthy()
    (change,) = six.status()["changes"]
    assert (change["cluster"], change["kind"]) == ("moon", "cluster")
    assert six.json("cluster", "add", "moon")["changed"] is False
    assert "only clusters that joined" in six.run("cluster", "remove", "bay", exit_code=2)
    six.run("cluster", "remove", "moon")
    six.wait_healthy()
    assert six.status()["changes"] == []
    assert f"{NAME}-moon-control-plane" not in docker("ps", "--all", "--format", "{{.Names}}")
    assert not [
        line for line in docker("exec", f"{NAME}-west-control-plane", "ip", "route").splitlines() if "10.16." in line
    ]
    test_a_second_up_changes_nothing(six)


def test_a_killed_join_continues_and_reset_undoes_it(six: RunningLab) -> None:
    joining = six.start("cluster", "add", "moon")
    try:
        joining.wait(timeout=8)
    except subprocess.TimeoutExpired:  # it has not ended, which is what this test needs
        joining.kill()
        joining.wait()
    assert [one["kind"] for one in six.status()["changes"]] == ["cluster"]
    assert six.json("cluster", "add", "moon")["changed"] is True
    six.wait_healthy()
    lines = six.run("reset")
    assert "moon: cluster deleted" in lines
    six.wait_healthy()
    assert six.status()["changes"] == []
