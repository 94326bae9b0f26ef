from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.clusters.provider import NodeStatus
from lab.dev.laptop.pod import Put
from tests.unit.cli.conftest import Command


class FakePod:
    """A pod that takes the folder; what happened to it is in `story`."""

    story: list[str]

    def __init__(self, **_: Any) -> None: ...

    def start(self) -> Put:
        self.story.append("start")
        return Put(pod="my-service-1", seconds=0.5, size_bytes=1024, problem="")

    def follow(self, *_: Any, **__: Any) -> None:
        self.story.append("follow")

    def stop(self) -> None:
        self.story.append("stop")


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    FakePod.story = []
    monkeypatch.setattr("lab.dev.laptop.pod.DevPod", FakePod)
    return FakePod.story


@pytest.mark.parametrize("words", [("dev", "shared"), ("dev", "pod", "."), ("dev", "process"), ("dev", "stop")])
def test_without_a_lab_the_next_command_is_named(lab: Command, words: tuple[str, ...]) -> None:
    ended = lab(*words)
    assert (ended.code, "next:  lab up" in ended.err) == (3, True)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--", "/nope"), "command not found: /nope"),
        (("--header", "é=ü"), "'é=ü' is not an HTTP header"),
    ],
)
def test_wrong_words_of_a_process_are_named_before_the_lab_is_looked_at(
    lab: Command, nodes: dict[str, NodeStatus], words: tuple[str, ...], problem: str
) -> None:
    nodes.update(dict.fromkeys(nodes, NodeStatus.ABSENT))
    ended = lab("dev", "process", *words)
    assert (ended.code, problem in ended.err) == (2, True)


def test_a_pod_goes_with_its_command(lab: Command, up: Path, pod: list[str]) -> None:
    ended = lab("dev", "pod", ".")
    assert (ended.code, pod) == (0, ["start", "follow", "stop"])
    assert "deleted my-service from west" in ended.out


def test_a_pod_that_is_put_once_stays(lab: Command, up: Path, pod: list[str]) -> None:
    ended = lab("dev", "pod", ".", "--once")
    assert (ended.code, pod) == (0, ["start"])
    assert "next: lab dev stop" in ended.out


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch, mesh: Any) -> list[str]:
    """The names of the clusters that got the shared services."""
    mesh()
    started: list[str] = []
    monkeypatch.setattr("lab.dev.shared.start", lambda _lab, _mesh, cluster: started.append(cluster.name))
    return started


def test_shared_services_start_in_east_and_west_knows_one_of_them(lab: Command, up: Path, shared: list[str]) -> None:
    assert "run in east; west knows users-east" in lab("dev", "shared").out
    assert shared == ["east"]


def test_shared_services_start_in_another_cluster_by_its_name_or_its_role(
    lab: Command, up: Path, shared: list[str]
) -> None:
    ended = lab("dev", "shared", "--in", "west")
    assert (ended.code, ended.out) == (0, "✓ backend, users and large-stuff run in west\n")
    assert shared == ["west"]


def test_shared_services_start_in_a_cluster_that_exists(lab: Command, up: Path, shared: list[str]) -> None:
    ended = lab("dev", "shared", "--in", "north")
    assert (ended.code, "unknown cluster 'north'" in ended.err) == (2, True)
    assert shared == []


@pytest.mark.parametrize(
    "header",
    ["", "x-lab-dev", "x-lab-dev=", "=me", "é=ü", "é=me", "x-lab-dev=ü", "x lab=me", "x:y=me", "a=b\nc", "a= b"],
)
def test_what_is_not_an_http_header_is_refused(lab: Command, up: Path, header: str) -> None:
    ended = lab("dev", "process", "--port", "1", "--header", header)
    assert (ended.code, "is not an HTTP header" in ended.err, "next:" in ended.err) == (2, True, True)


def test_a_header_name_may_have_every_character_of_a_token(lab: Command, up: Path, apis: Any) -> None:
    ended = lab("dev", "process", "--port", "1", "--header", "X_lab.dev!=me & you=1")
    assert "nothing listens on port 1" in ended.err


def test_a_command_that_does_not_exist_is_refused(lab: Command, up: Path, apis: Any) -> None:
    ended = lab("dev", "process", "--", "/nope")
    assert (ended.code, "command not found: /nope" in ended.err, "next:" in ended.err) == (2, True, True)
    assert apis["west"].asked == []


def test_stop_with_nothing_to_stop(lab: Command, up: Path, apis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.artifacts.store.ArtifactStore.image", lambda _self, name: name)
    assert lab("dev", "stop").code == 0
