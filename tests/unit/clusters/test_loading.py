"""Images are loaded into a node once, and no archive of them stays, also after a run that failed or was killed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.base.errors import CommandError
from lab.base.process import Completed
from lab.base.step import StepStatus
from lab.clusters.kind import loading
from lab.clusters.kind.provider import KindProvider
from lab.lab import Lab
from tests.unit.clusters.conftest import FakeDocker, provider_of

IMAGE = "eastwest-lab/b:2"


class Engine(FakeDocker):
    """Writes archives, and fails or is killed at a command."""

    fails_at: str = ""
    failure: BaseException = CommandError(["ctr"], returncode=1)

    def save(self, references: Sequence[str], file: Path) -> None:
        file.write_bytes(b"an archive")
        super().save(references, file)

    def execute(self, name: str, argv: Sequence[str], *, input: str | None = None, timeout_s: float = 60) -> Completed:  # noqa: A002
        done = super().execute(name, argv, input=input, timeout_s=timeout_s)
        if self.fails_at and self.fails_at in argv:
            raise self.failure
        return done


@pytest.fixture
def docker() -> Engine:
    return Engine()


@pytest.fixture
def provider(docker: Engine, tmp_path: Path) -> KindProvider:
    return provider_of(docker, tmp_path)


def archives(lab: Lab) -> list[Path]:
    return [*lab.paths.state.rglob("*.tar")] if lab.paths.state.exists() else []


def test_only_images_that_the_node_lacks_are_loaded(provider: Any, docker: FakeDocker, lab: Lab) -> None:
    docker.images = "docker.io/eastwest-lab/a:1\nsha256:1\n"
    east = lab.clusters["east"]
    assert provider.ensure_images(lab, east, ["eastwest-lab/a:1"]).status is StepStatus.UNCHANGED
    assert (
        provider.ensure_images(lab, east, ["eastwest-lab/a:1", "eastwest-lab/b:2"]).detail == "loaded eastwest-lab/b:2"
    )
    assert "save eastwest-lab/b:2" in docker.did


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("podinfo", "docker.io/library/podinfo"),
        ("eastwest-lab/x:1", "docker.io/eastwest-lab/x:1"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("localhost:5000/x", "localhost:5000/x"),
    ],
)
def test_image_names_are_those_of_containerd(name: str, full: str) -> None:
    assert loading.full_name(name) == full


def test_a_load_leaves_no_archive(provider: Any, docker: Engine, lab: Lab) -> None:
    provider.ensure_images(lab, lab.clusters["east"], [IMAGE])
    assert archives(lab) == []
    assert not lab.paths.loading("east").exists()
    assert docker.did[-1].endswith("rm -f /kind/images.tar")


@pytest.mark.parametrize("failure", [CommandError(["ctr"], returncode=1), KeyboardInterrupt()])
def test_a_load_that_fails_leaves_no_archive(provider: Any, docker: Engine, lab: Lab, failure: BaseException) -> None:
    docker.fails_at, docker.failure = "import", failure
    with pytest.raises(type(failure)):
        provider.ensure_images(lab, lab.clusters["east"], [IMAGE])
    assert archives(lab) == []
    assert docker.did[-1].endswith("rm -f /kind/images.tar")


@pytest.mark.parametrize("images", [f"docker.io/{IMAGE}\n", ""])
def test_the_archive_of_a_killed_run_is_deleted_by_the_next(
    provider: Any, docker: Engine, lab: Lab, images: str
) -> None:
    folder, other = lab.paths.loading("east"), lab.paths.loading("west")
    for one in (folder, other):
        one.mkdir(parents=True)
        (one / "images.tar").write_bytes(b"half an arch")
    docker.images = images
    result = provider.ensure_images(lab, lab.clusters["east"], [IMAGE])
    assert result.status is (StepStatus.UNCHANGED if images else StepStatus.CHANGED)
    assert archives(lab) == [other / "images.tar"], "West's may be in use"
    assert docker.did[0].endswith("rm -f /kind/images.tar")
    assert not folder.exists()


def test_an_archive_that_could_not_be_deleted_in_the_node_is_tried_again(
    provider: Any, docker: Engine, lab: Lab
) -> None:
    docker.fails_at = "rm"
    with pytest.raises(CommandError):
        provider.ensure_images(lab, lab.clusters["east"], [IMAGE])
    docker.fails_at, docker.images = "", f"docker.io/{IMAGE}\n"
    docker.did.clear()
    assert provider.ensure_images(lab, lab.clusters["east"], [IMAGE]).status is StepStatus.UNCHANGED
    assert docker.did[0].endswith("rm -f /kind/images.tar")
