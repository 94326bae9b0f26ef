"""Failures: the lab recovers or names the problem, and changes nothing that it does not own."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

import pytest
import requests
import yaml
from pytest_kind import KindCluster

from lab.artifacts import ArtifactStore
from lab.base import wait
from lab.base.paths import Paths
from lab.base.wait import NotYet
from lab.clusters.kind import config as kind_config
from lab.clusters.kind import engine
from lab.config import load
from lab.host.machine import Machine
from lab.stacks import STACKS
from lab.tools.docker import Docker
from tests.e2e.conftest import NAME, CommandLine, RunningLab, docker, leftovers, ports


def answers_from_both(lab: RunningLab) -> Callable[[], object]:
    def probe() -> object:
        try:
            totals = [
                lab.api("/api/answers", upstream=name, count=30)["totals"] for name in ("podinfo", "podinfo-east")
            ]
        except (requests.RequestException, AssertionError) as error:
            return NotYet(type(error).__name__)
        return set().union(*(found["by_cluster"] for found in totals)) == {"east", "west"} or NotYet(str(totals))

    return probe


@pytest.mark.parametrize("cluster", ["east", "west"])
def test_a_node_that_was_stopped_is_healed_by_up(lab: RunningLab, cluster: str) -> None:
    docker("stop", f"{NAME}-{cluster}-control-plane")
    status = lab.status()
    assert status["clusters"][cluster]["node"] != "running"
    lab.run("up")
    wait.until("answers from both clusters", answers_from_both(lab), timeout_s=60)


def test_nodes_that_start_in_the_other_order_keep_their_addresses_and_heal_by_themselves(lab: RunningLab) -> None:
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    nodes = [f"{NAME}-east-control-plane", f"{NAME}-west-control-plane"]
    before = [docker("inspect", "--format", form, node) for node in nodes]
    docker("stop", *nodes)
    for node in reversed(nodes):
        docker("start", node)
    assert [docker("inspect", "--format", form, node) for node in nodes] == before
    wait.until("answers from both clusters", answers_from_both(lab), timeout_s=300, interval_s=2)


@pytest.fixture
def small(lab: RunningLab) -> Iterator[CommandLine]:
    """A second lab beside the first one, deleted at the end."""
    other = CommandLine(folder=lab.folder / "second", name="e2e2", toml=ports(100))
    yield other
    other.run("down")
    assert leftovers("e2e2") == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_in_the_middle_is_finished_by_the_next(small: CommandLine, how: signal.Signals) -> None:
    # Where the tests themselves run in the background, a shell has told them to ignore Ctrl-C, and so their children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    first = small.start("up", "--yes")
    wait.until("a node of the second lab", lambda: leftovers("e2e2")[1:] or NotYet("no node yet"), timeout_s=120)
    first.send_signal(how)
    output, _ = first.communicate(timeout=60)
    if how is signal.SIGINT:
        assert first.returncode == 130
        assert "interrupted" in output
        assert "next:" in output
    small.run("up", "--yes")
    assert small.status()["clusters"]["east"]["node"] == "running"


def test_down_succeeds_when_half_of_the_lab_is_gone(lab: RunningLab) -> None:
    other = CommandLine(folder=lab.folder / "half", name="e2e3", toml=ports(200))
    started = other.start("up", "--yes")
    wait.until("two nodes of the third lab", lambda: leftovers("e2e3")[2:] or NotYet("not yet"), timeout_s=120)
    os.kill(started.pid, signal.SIGKILL)
    started.communicate(timeout=60)
    with contextlib.suppress(Exception):
        docker("rm", "--force", "--volumes", "e2e3-east-control-plane")
    other.run("down")
    assert leftovers("e2e3") == []
    other.run("down")


def test_a_kind_cluster_of_the_same_name_that_is_not_the_labs_is_never_touched(
    lab: RunningLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.folder)  # pytest-kind keeps a folder of its own where it runs
    spec = load(lab.file)
    store = ArtifactStore.of(spec, Paths.of(spec.name))
    image = store.reference(STACKS[lab.stack].node_image)
    foreign = KindCluster(
        "e2e4-east",
        kubeconfig=lab.folder / "foreign-kubeconfig",
        image=image,
        kind_path=store.binary("kind"),
        kubectl_path=store.binary("kubectl"),
    )
    config = lab.folder / "foreign.yaml"
    config.write_text(
        yaml.safe_dump(
            kind_config.build(
                lab_name="somebody-elses",
                lab_id="0",
                kind_name=foreign.name,
                spec=spec.clusters["east"].model_copy(update={"ingress_port": 28481}),
                image=image,
                engine=engine.engine(Docker(), image, Machine()),
            )
        )
    )
    kinds_network = "kind" in docker("network", "ls", "--format", "{{.Name}}").split()
    foreign.create(config_file=config)
    try:
        before = docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", "e2e4-east-control-plane")
        other = CommandLine(folder=lab.folder / "foreign", name="e2e4", toml=ports(400))
        output = other.run("up", "--yes", exit_code=3)
        assert "is not this lab's" in output
        other.run("down")
        assert docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", "e2e4-east-control-plane") == before
    finally:
        foreign.delete()
        if not kinds_network:
            docker("network", "rm", "kind")
