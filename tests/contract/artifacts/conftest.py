"""A registry (Debian's docker-registry) on 127.0.0.1 with one image. Its tests also use the real engine."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from lab.artifacts.catalog import parse
from lab.artifacts.registry import answers
from lab.artifacts.store import ArtifactStore
from lab.base import wait
from lab.base.paths import Paths
from lab.base.process import run
from lab.config import ArtifactsSpec
from lab.tools.docker import Docker

NAME = "registry.test/some/thing:1"
"""Upstream's name of the registry's image."""
CONFIG = """
version: 0.1
storage:
  filesystem:
    rootdirectory: {root}
  delete:
    enabled: true
http:
  addr: 127.0.0.1:{port}
"""


def registry_program(folder: Path) -> str:
    """Return the program: PATH's, or the Debian package's unpacked into a folder of the test's."""
    if found := shutil.which("docker-registry"):
        return found
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("docker-registry is not installed, and this is not Debian")
    fetched = run(["apt-get", "download", "docker-registry"], cwd=folder, timeout_s=300, check=False)
    packages = list(folder.glob("docker-registry_*.deb"))
    if fetched.returncode != 0 or not packages:
        pytest.skip("docker-registry is not on PATH, and apt does not have it")
    run(["dpkg-deb", "-x", packages[0], folder / "unpacked"], timeout_s=60)
    return str(folder / "unpacked/usr/bin/docker-registry")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Registry:
    """A registry with one image, `some/thing:1`."""

    host: str
    data: Path
    digest: str = ""
    reference: str = ""

    def blob(self, digest: str) -> Path:
        """Return the file that holds a blob."""
        hexadecimal = digest.removeprefix("sha256:")
        return self.data / "docker/registry/v2/blobs/sha256" / hexadecimal[:2] / hexadecimal / "data"

    def layer(self) -> str:
        """Return the digest of the image's layer."""
        url = f"http://{self.host}/v2/some/thing/manifests/{self.digest}"
        kinds = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": kinds})) as answer:
            return str(json.load(answer)["layers"][0]["digest"])


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    return registry_program(tmp_path_factory.mktemp("package"))


@contextmanager
def serving(program: str, folder: Path, *, more: str = "") -> Iterator[Registry]:
    """Serve an empty registry while the block runs; `more` is added to its configuration."""
    port = free_port()
    config, data = folder / "registry.yml", folder / "registry"
    config.write_text(CONFIG.format(root=data, port=port) + more)
    server = subprocess.Popen([program, "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    empty = Registry(host=f"127.0.0.1:{port}", data=data)
    try:
        wait.until(
            "the registry",
            lambda: True if answers(empty.host) else wait.NotYet("no answer"),
            timeout_s=20,
            interval_s=0.1,
        )
        yield empty
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def registry(tmp_path: Path, program: str, engine: Docker) -> Iterator[Registry]:
    with serving(program, tmp_path) as filled:
        try:
            _fill(filled, engine, tmp_path)
            yield filled
        finally:
            engine.remove_image(filled.reference)


@pytest.fixture
def open_store(registry: Registry, tmp_path: Path, engine: Docker) -> Iterator[Callable[..., ArtifactStore]]:
    """Return a function that opens a store with a mirror; its one image has neither a digest nor a recipe."""
    text = f'[thing]\ntitle = "the thing"\nkind = "image"\nversion = "1"\nestimate_s = 1\nupstream.image = "{NAME}"\n'
    mirrors: set[str] = set()

    def again(mirror: str, *, source: str = "upstream") -> ArtifactStore:
        mirrors.add(mirror)
        return ArtifactStore(
            paths=Paths(cache=tmp_path / "cache", state=tmp_path / "state"),
            spec=ArtifactsSpec.model_validate({"source": source, "mirror": mirror}),
            catalog=parse(text),
            docker=engine,
            lock=tmp_path / "lab.lock",
        )

    yield again
    engine.remove_image(NAME)
    for mirror in mirrors:
        engine.remove_image(f"{mirror}/some/thing@{registry.digest}")


def _fill(registry: Registry, engine: Docker, folder: Path) -> None:
    context = folder / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY content /content\n")
    (context / "content").write_text(f"never seen before: {uuid4()}")
    registry.reference = f"{registry.host}/some/thing:1"
    engine.build(context, tags=[registry.reference])
    said = run(["docker", "push", registry.reference], timeout_s=120).stdout
    found = re.search(r"digest: (sha256:[0-9a-f]{64})", said)
    assert found, said
    registry.digest = found[1]
    engine.remove_image(registry.reference)
    engine.remove_image(f"{registry.host}/some/thing@{registry.digest}")
