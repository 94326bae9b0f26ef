from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.base import cancel
from lab.base.errors import ArtifactError
from lab.base.names import Cluster
from lab.base.paths import Paths
from lab.kube import Kube
from lab.lab import Lab
from tests.unit.fake_api import FakeApi


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-golden", action="store_true", help="write golden files and the digests of manifests anew")


class Artifacts:
    """Names that could be images and files."""

    def image(self, name: str) -> str:
        return f"eastwest-lab/{name}:1"

    def binary(self, name: str) -> Path:
        return Path("bin") / name

    def is_built(self, name: str) -> bool:
        return True

    def is_from_bundle(self, names: Iterable[str]) -> bool:
        return False

    def unobtainable(self, names: Iterable[str]) -> ArtifactError | None:
        """Return an error for all artifacts but those of the stack that can be built."""
        names = list(names)
        return None if "istioctl" in names else ArtifactError("\n  ".join(f"{name} is not there" for name in names))


@pytest.fixture(scope="session")
def docker_without_engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `docker` that finds no engine."""
    program = tmp_path_factory.mktemp("docker") / "docker"
    program.write_text(
        "#!/bin/sh\necho 'Cannot connect to the Docker daemon. Is the docker daemon running?' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    return program.parent


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host.partition("%")[0]))
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, docker_without_engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No unit test reaches a network or an engine, and every user can build: the result is the same everywhere."""
    look_up = socket.getaddrinfo

    def only_here(host: str | bytes | None, *rest: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in {None, "", "localhost"} and not _is_address(str(name)):
            raise socket.gaierror(socket.EAI_NONAME, f"unit tests have no network: {host!r}")
        return look_up(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", only_here)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'no-engine.sock'}")
    monkeypatch.setenv("PATH", str(docker_without_engine), prepend=os.pathsep)
    monkeypatch.setattr("lab.artifacts.store.cannot_build", lambda: None)


@pytest.fixture(autouse=True)
def token() -> Iterator[cancel.Token]:
    """A token of its own for each test, so that one that cancels its run cancels no other test's."""
    with cancel.using(cancel.Token()) as own:
        yield own


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A lab that is nowhere."""
    paths = Paths(cache=tmp_path / "cache", state=tmp_path / "state")
    return Lab(spec=config.parse('name = "dev"'), paths=paths, artifacts=Artifacts())  # type: ignore[arg-type]


@pytest.fixture
def apis(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeApi]:
    """An API server in memory for each cluster, behind every `lab.kube.connect`."""
    found = {name: FakeApi() for name in ("east", "west")}
    kubes: dict[str, Kube] = {}

    def cached(cluster: Cluster, _timeout_s: float, _written_ns: int) -> Kube:
        return kubes.setdefault(cluster.name, Kube(cluster, found[cluster.name]))

    monkeypatch.setattr("lab.kube.connections._cached", cached)
    return found
