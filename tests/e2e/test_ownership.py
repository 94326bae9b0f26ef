"""Resources of other owners: the lab refuses to change them, and names the owner."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.base.paths import PROJECT
from tests.e2e.conftest import NAME, CommandLine, RunningLab, docker
from tests.e2e.test_answers import kubectl

NODES = [f"{NAME}-east-control-plane", f"{NAME}-west-control-plane"]
ADDRESS = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"


@pytest.fixture
def second_user(lab: RunningLab) -> Iterator[CommandLine]:
    """Another user of the same engine, with a lab.toml of the same name."""
    with tempfile.TemporaryDirectory() as folder:
        yield CommandLine(folder=Path(folder), name=NAME, toml=lab.toml)


@pytest.fixture
def web(lab: RunningLab) -> Iterator[None]:
    """A person's Service `web` in East, and one in West that has the name of its export."""
    for cluster, name in (("east", "web"), ("west", "web-east")):
        port = ("--port=9898", "--target-port=http")
        kubectl(lab, cluster, "-n", "test", "expose", "deployment", "podinfo", f"--name={name}", *port)
    yield
    for cluster, name in (("east", "web"), ("west", "web-east")):
        kubectl(lab, cluster, "-n", "test", "delete", "service", name, "--ignore-not-found")


def version(lab: RunningLab, cluster: str, kind: str, name: str) -> str:
    found = json.loads(kubectl(lab, cluster, "-n", "test", "get", kind, name, "-o", "json"))["metadata"]
    return f"{found['uid']} {found['resourceVersion']}"


@pytest.mark.usefixtures("web")
def test_an_export_leaves_a_persons_service_of_its_name_alone(lab: RunningLab) -> None:
    before = [version(lab, "east", "service", "web"), version(lab, "west", "service", "web-east")]
    assert "web-east" in lab.run("export", "web", "--from", "east", exit_code=3)
    lab.run("unexport", "web", "--from", "east")
    assert [version(lab, "east", "service", "web"), version(lab, "west", "service", "web-east")] == before


def test_lab_dev_neither_replaces_nor_deletes_the_labs_own_workload(lab: RunningLab) -> None:
    uid = version(lab, "west", "deployment", "podinfo").split()[0]
    assert "belongs to the part podinfo" in lab.run("dev", "stop", "--service", "podinfo", exit_code=3)
    folder = str(PROJECT / "apps" / "my-service")
    assert "belongs to the part podinfo" in lab.run("dev", "pod", folder, "--service", "podinfo", exit_code=3)
    assert version(lab, "west", "deployment", "podinfo").split()[0] == uid


def test_up_restores_labels_that_somebody_removed(lab: RunningLab) -> None:
    labels = ("eastwest.lab/lab-", "eastwest.lab/component-", "app.kubernetes.io/managed-by-")
    kubectl(lab, "west", "-n", "test", "label", "service", "podinfo", *labels)
    lab.run("up")
    found = json.loads(kubectl(lab, "west", "-n", "test", "get", "service", "podinfo", "-o", "json"))
    assert found["metadata"]["labels"]["eastwest.lab/component"] == "podinfo"


def test_another_user_sees_whose_the_lab_is_and_touches_nothing(second_user: CommandLine, lab: RunningLab) -> None:
    before = docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", *NODES)
    owner = str(lab.folder / "state" / NAME)
    for command in ("down --plan", "down", "up", "status", "check", "unsplit podinfo", "dev stop", "reset"):
        assert owner in second_user.run(*command.split(), exit_code=3)
    assert not (second_user.folder / "state" / NAME).exists()
    assert docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", *NODES) == before


def test_a_pruned_network_comes_back_with_its_addresses(lab: RunningLab) -> None:
    before = docker("inspect", "--format", ADDRESS, *NODES)
    docker("stop", *NODES)
    docker("network", "rm", NAME)
    lab.run("up")
    assert docker("inspect", "--format", ADDRESS, *NODES) == before
    lab.wait_healthy()
