"""What a provider does with nodes: power, wire, shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.base.errors import ClusterError, WaitTimeout
from lab.base.paths import PROJECT, Paths
from lab.clusters.kind import power, wake
from lab.clusters.kind.provider import KindProvider
from lab.clusters.provider import Provider
from lab.kube import Answer
from lab.lab import Lab
from lab.lifecycle import reset
from lab.measure.capture import CaptureUnavailableError
from lab.tools.docker_records import Image
from tests.unit.clusters.conftest import FakeDocker, container, network
from tests.unit.clusters.test_wake import START, api
from tests.unit.fake_api import kube

EAST, WEST = "dev-east-control-plane", "dev-west-control-plane"


class Artifacts:
    def image(self, name: str) -> str:
        return f"eastwest-lab/{name}:1"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    paths = Paths(cache=tmp_path / "cache", state=tmp_path / "state")
    paths.write_lab_id("1")
    return Lab(spec=config.parse('name = "dev"'), paths=paths, artifacts=Artifacts())  # type: ignore[arg-type]


@pytest.fixture
def provider(docker: FakeDocker) -> Provider:
    docker.nets["dev"] = network("dev", "172.30.0.0/24", {"eastwest.lab/lab": "dev", "eastwest.lab/lab-id": "1"})
    docker.nodes = {EAST: container(EAST), WEST: container(WEST)}
    return KindProvider(docker)  # type: ignore[arg-type]


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    waits: list[dict[str, Any]] = []
    monkeypatch.setattr(power, "connect", lambda cluster: None)
    monkeypatch.setattr(wake, "wait_until_back", lambda kube, **how: waits.append(how))
    return waits


def test_a_killed_node_is_started_and_what_it_said_before_is_not_believed(
    provider: Provider, docker: FakeDocker, lab: Lab, waited: list[dict[str, Any]]
) -> None:
    assert provider.power.kill(lab.clusters["east"]) == f"docker kill {EAST}"
    assert provider.power.start(lab.clusters["east"]) is True
    assert docker.did == [f"stop {EAST} 0", f"start {EAST}"]
    assert (waited[0]["since"], waited[0]["restarted"]) == (docker.nodes[EAST].started_at, True)


def test_a_paused_node_is_resumed_and_not_started(
    provider: Provider, docker: FakeDocker, lab: Lab, waited: list[dict[str, Any]]
) -> None:
    before = datetime.now(UTC)
    provider.power.pause(lab.clusters["east"])
    assert provider.power.start(lab.clusters["east"]) is True
    assert docker.did == [f"pause {EAST}", f"unpause {EAST}"]
    assert waited[0]["since"] >= before, "the kubelet has to report after the pause, not after the first start"
    assert waited[0]["restarted"] is False


def test_a_running_node_is_left_as_it_is(
    provider: Provider, docker: FakeDocker, lab: Lab, waited: list[dict[str, Any]]
) -> None:
    assert provider.power.start(lab.clusters["east"]) is False
    assert docker.did == []


def test_a_node_that_is_not_there_cannot_be_started(provider: Provider, docker: FakeDocker, lab: Lab) -> None:
    del docker.nodes[EAST]
    with pytest.raises(ClusterError, match=r"node dev-east-control-plane does not exist.*lab up"):
        provider.power.start(lab.clusters["east"])


def test_pods_that_were_only_paused_need_not_have_been_restarted() -> None:
    state = api(renewed="2026-11-23T12:00:09.000000Z", started="2026-11-23T11:00:00Z")
    state.answers = [Answer(200, b"ok")]
    wake.wait_until_back(kube(state), since=START, restarted=False, timeout_s=0)
    state.answers = [Answer(200, b"ok")]
    with pytest.raises(WaitTimeout, match="1 pods"):
        wake.wait_until_back(kube(state), since=START, timeout_s=0)


def test_reset_resumes_a_paused_node(
    provider: Provider, docker: FakeDocker, lab: Lab, waited: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reset, "provider", lambda: provider)
    docker.nodes[EAST] = container(EAST, status="paused")
    assert next(reset.reset(lab, mesh=None)) == "east: node started"  # type: ignore[arg-type]
    assert docker.did == [f"unpause {EAST}"]
    assert len(waited) == 2, "both clusters are waited for"


def test_reset_never_starts_a_container_that_is_not_the_labs(
    provider: Provider, docker: FakeDocker, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reset, "provider", lambda: provider)
    docker.nodes[WEST] = container(WEST, status="exited", networks={"kind": None})
    with pytest.raises(ClusterError, match=f"{WEST}.*lab up"):
        next(reset.reset(lab, mesh=None))  # type: ignore[arg-type]
    assert docker.did == []


def test_packets_are_captured_beside_the_node_with_an_image_that_the_engine_has(
    provider: Provider, docker: FakeDocker, lab: Lab
) -> None:
    with pytest.raises(CaptureUnavailableError, match=r"eastwest-lab/frontend:1.*lab artifacts build frontend"):
        provider.wire.capture(lab, lab.clusters["west"])
    docker.engine_images["eastwest-lab/frontend:1"] = Image(
        id="sha256:1",
        tags=(),
        digests=(),
        labels={},
        architecture="amd64",
        size_bytes=1,
        entrypoint=("python3.11", "-m", "frontend"),
    )
    argv = list(provider.wire.capture(lab, lab.clusters["west"]).argv)
    assert {f"--network=container:{WEST}", "--pull=never", "--cap-add=NET_RAW"} <= set(argv)
    assert "--entrypoint=python3.11" in argv


# Nobody goes round the provider.

_HOMES = ("lab.tools.", "lab.clusters.kind.", "lab.artifacts.", "lab.host.")


def users_of_docker() -> Iterator[str]:
    """Yield every module of the lab and the scenarios that makes or imports a Docker client, with the line."""
    for file in [*(PROJECT / "lab").rglob("*.py"), *(PROJECT / "scenarios").rglob("*.py")]:
        module = ".".join(file.relative_to(PROJECT).with_suffix("").parts)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Docker"
            imported = isinstance(node, ast.ImportFrom) and any(alias.name == "Docker" for alias in node.names)
            typed = isinstance(node, ast.List) and [getattr(e, "value", "") for e in node.elts[:1]] == ["docker"]
            if called or imported or typed:
                yield f"{module}:{node.lineno}"


def test_nodes_are_reached_by_the_provider_only() -> None:
    found = list(users_of_docker())
    assert any(user.startswith("lab.clusters.kind.provider:") for user in found), "the test sees users"
    assert [user for user in found if not user.startswith(_HOMES)] == []
