"""The upstream source against a real registry (Debian's docker-registry) and the real engine.

The registry listens on 127.0.0.1 and holds what the test puts there; nothing else is asked.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from lab.artifacts.catalog import parse
from lab.artifacts.make import make
from lab.artifacts.store import ArtifactStore
from lab.artifacts.upstream import answers
from lab.base import wait
from lab.base.errors import ArtifactError
from lab.base.paths import Paths
from lab.base.process import run
from lab.config import ArtifactsSpec
from lab.tools.docker import Docker

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


def _registry_program(folder: Path) -> str:
    """Return the program: PATH's, or the Debian package's unpacked into a folder of the test's."""
    if found := shutil.which("docker-registry"):
        return found
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("docker-registry is not installed, and this is not Debian")
    fetched = run(["apt-get", "download", "docker-registry"], cwd=folder, timeout_s=300, check=False)
    packages = list(folder.glob("docker-registry_*.deb"))
    if fetched.returncode != 0 or not packages:
        pytest.skip("docker-registry is neither on PATH nor to be had from apt")
    run(["dpkg-deb", "-x", packages[0], folder / "unpacked"], timeout_s=60)
    return str(folder / "unpacked/usr/bin/docker-registry")


def _free_port() -> int:
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
def engine() -> Docker:
    docker = Docker()
    try:
        docker.info()
    except Exception as error:
        pytest.skip(f"no container engine: {error}")
    return docker


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _registry_program(tmp_path_factory.mktemp("package"))


@pytest.fixture
def registry(tmp_path: Path, program: str, engine: Docker) -> Iterator[Registry]:
    port = _free_port()
    config, data = tmp_path / "registry.yml", tmp_path / "registry"
    config.write_text(CONFIG.format(root=data, port=port))
    server = subprocess.Popen([program, "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    filled = Registry(host=f"127.0.0.1:{port}", data=data)
    try:
        wait.until(
            "the registry",
            lambda: True if answers(filled.host) else wait.NotYet("no answer"),
            timeout_s=20,
            interval_s=0.1,
        )
        _fill(filled, engine, tmp_path)
        yield filled
    finally:
        server.terminate()
        server.wait(10)
        engine.remove_image(filled.reference)


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


@pytest.fixture
def store(registry: Registry, tmp_path: Path, engine: Docker) -> Iterator[ArtifactStore]:
    opened = _store(registry.digest, mirror=registry.host, folder=tmp_path, engine=engine)
    yield opened
    engine.remove_image(opened.reference("thing"))


def _store(digest: str, *, mirror: str, folder: Path, engine: Docker) -> ArtifactStore:
    text = (
        '[thing]\ntitle = "a thing"\nkind = "image"\nversion = "1"\nrecipe = "image"\nfolder = "python"\n'
        f'estimate_s = 1\nupstream = {{ image = "docker.io/some/thing:1@{digest}" }}\n'
    )
    return ArtifactStore(
        paths=Paths(cache=folder / "cache", state=folder / "state"),
        spec=ArtifactsSpec(source="upstream", mirror=mirror),
        catalog=parse(text),
        docker=engine,
    )


def test_an_image_is_pulled_by_digest_through_the_mirror(
    store: ArtifactStore, registry: Registry, engine: Docker
) -> None:
    make(store, "thing")
    assert store.problem("thing") is None
    assert store.image("thing") == f"eastwest-lab/thing:{store.keys['thing']}"
    entry = store.entry("thing")
    assert entry is not None
    assert entry.source == "upstream"
    # Only the lab's own name is left behind.
    image = engine.image(store.image("thing"))
    assert image is not None
    assert image.tags == (store.image("thing"),)
    assert image.digests == ()


def test_what_is_there_is_not_pulled_again(store: ArtifactStore, registry: Registry) -> None:
    make(store, "thing")
    shutil.rmtree(registry.data)
    make(store, "thing")
    assert store.problem("thing") is None


def test_a_corrupt_layer_is_refused(store: ArtifactStore, registry: Registry) -> None:
    blob = registry.blob(registry.layer())
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 0xFF
    blob.write_bytes(content)
    with pytest.raises(ArtifactError, match="does not have the pinned digest; it was deleted") as raised:
        make(store, "thing")
    assert raised.value.where == "thing"
    assert store.entry("thing") is None


def test_a_manifest_that_is_not_the_pinned_one_is_refused(store: ArtifactStore, registry: Registry) -> None:
    blob = registry.blob(registry.digest)
    blob.write_text(blob.read_text().replace('"schemaVersion": 2', '"schemaVersion":  2'))
    with pytest.raises(ArtifactError, match="does not have the pinned digest; it was deleted"):
        make(store, "thing")


def test_a_digest_that_the_registry_does_not_have(registry: Registry, tmp_path: Path, engine: Docker) -> None:
    store = _store(f"sha256:{'d' * 64}", mirror=registry.host, folder=tmp_path, engine=engine)
    with pytest.raises(ArtifactError, match=f"the registry does not have .*{'d' * 64}") as raised:
        make(store, "thing")
    assert "mirror" in (raised.value.next or "")


def test_a_registry_that_does_not_answer(tmp_path: Path, engine: Docker) -> None:
    store = _store(f"sha256:{'d' * 64}", mirror=f"127.0.0.1:{_free_port()}", folder=tmp_path, engine=engine)
    with pytest.raises(ArtifactError, match=r"pulling .* failed: .*connection refused") as raised:
        make(store, "thing")
    assert 'source = "packages"' in (raised.value.next or "")


TAKEN = "registry.test/some/thing:1"


@pytest.fixture
def taken(registry: Registry, tmp_path: Path, engine: Docker) -> Iterator[Callable[[], ArtifactStore]]:
    """Return a function that opens a store whose one image is only taken, from the registry as a mirror."""
    text = f'[thing]\ntitle = "a thing"\nkind = "image"\nversion = "1"\nestimate_s = 1\ntaken.image = "{TAKEN}"\n'

    def again() -> ArtifactStore:
        return ArtifactStore(
            paths=Paths(cache=tmp_path / "cache", state=tmp_path / "state"),
            spec=ArtifactsSpec(source="packages", mirror=registry.host),
            catalog=parse(text),
            docker=engine,
        )

    yield again
    engine.remove_image(TAKEN)
    engine.remove_image(f"{registry.host}/some/thing@{registry.digest}")


def test_an_image_that_is_only_taken_is_pulled_from_the_mirror_under_upstreams_name(
    taken: Callable[[], ArtifactStore], registry: Registry, engine: Docker
) -> None:
    store = taken()
    assert store.unobtainable(["thing"]) is None
    make(store, "thing")
    assert store.image("thing") == TAKEN
    assert engine.image(TAKEN) is not None
    entry = store.entry("thing")
    assert entry is not None
    assert (entry.source, entry.notes["identity"]) == ("upstream", registry.digest)


def test_what_was_taken_is_the_same_artifact_when_it_is_found_in_the_engine(
    taken: Callable[[], ArtifactStore], registry: Registry
) -> None:
    first = taken()
    make(first, "thing")
    shutil.rmtree(registry.data)
    later = taken()
    assert later.keys["thing"] == first.keys["thing"]
    assert later.problem("thing") is None
