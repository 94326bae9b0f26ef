"""A store with a small catalogue whose recipes write a file, and an engine that remembers images."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lab.artifacts import catalog
from lab.artifacts.from_source import builders
from lab.artifacts.recipe import BuildContext, BuildResult, split
from lab.artifacts.store import ArtifactStore
from lab.base.errors import CommandError
from lab.base.paths import Paths
from lab.config import ArtifactsSpec
from lab.tools.docker import Image

CATALOG = """
[tool]
title = "a tool"
kind = "binaries"
version = "1"
recipe = "write"
text = "tool one"
path = "bin/tool"
estimate_s = 5

[part]
title = "a part"
kind = "files"
version = "1"
recipe = "write"
text = "part one"
path = "part.txt"
estimate_s = 100

[whole]
title = "an image"
kind = "image"
version = "2"
recipe = "assemble"
sources = ["part/part.txt", "tool/bin/tool"]
estimate_s = 10
"""


@dataclass(frozen=True, kw_only=True)
class Write:
    """Write a text."""

    revision: ClassVar[int] = 1
    text: str
    path: str
    log: ClassVar[list[str]] = []
    before: ClassVar[list[Callable[[BuildContext], None]]] = []

    def needs(self) -> Iterable[str]:
        return ()

    def inputs(self) -> Iterable[Path]:
        return ()

    def build(self, work: BuildContext) -> BuildResult:
        self.log.append(work.artifact.name)
        target = work.into / self.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self.text)
        for hook in self.before:
            hook(work)
        return BuildResult()


@dataclass(frozen=True, kw_only=True)
class Assemble:
    """Make an image of what other artifacts have."""

    revision: ClassVar[int] = 1
    sources: tuple[str, ...]

    def needs(self) -> Iterable[str]:
        return tuple(split(source)[0] for source in self.sources)

    def inputs(self) -> Iterable[Path]:
        return ()

    def build(self, work: BuildContext) -> BuildResult:
        texts = [work.needs.file(*split(source)).read_text() for source in self.sources]
        work.docker.build(work.scratch, tags=[work.reference], labels=work.labels, arguments={"t": " ".join(texts)})
        image = work.docker.image(work.reference)
        return BuildResult(image_id=image.id if image else None)


_REST: Mapping[str, Any] = {"digests": (), "architecture": "amd64", "size_bytes": 1}


@dataclass
class FakeDocker:
    """What the store asks of an engine; images are a dict. `answers` are the errors of the next pulls."""

    known: dict[str, Image] = field(default_factory=dict)
    pulled: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def build(self, context: Path, *, tags: list[str], labels: Mapping[str, str], **rest: Any) -> str:
        for tag in tags:
            self.known[tag] = Image(id=f"sha256:{hash((tag, str(rest)))}", tags=(tag,), labels=dict(labels), **_REST)
        return "built"

    def image(self, reference: str) -> Image | None:
        return self.known.get(reference)

    def images(self, labels: Mapping[str, str | None] | None = None) -> list[Image]:
        return list(self.known.values())

    def pull(self, reference: str, **rest: Any) -> None:
        self.pulled.append(reference)
        if self.answers:
            raise CommandError(["docker", "pull", reference], returncode=1, stderr=self.answers.pop(0))
        image = Image(id=f"sha256:{hash(reference)}", tags=(), labels={}, **{**_REST, "digests": (reference,)})
        self.known[reference] = image

    def tag(self, reference: str, new: str) -> None:
        self.known[new] = self.known[reference]

    def remove_image(self, reference: str) -> bool:
        return self.known.pop(reference, None) is not None


@pytest.fixture
def docker() -> FakeDocker:
    return FakeDocker()


@pytest.fixture
def make_store(tmp_path: Path, docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ArtifactStore]:
    """Return a function that opens the store again, as the next command would."""
    monkeypatch.setattr(builders, "_BY_NAME", {"write": Write, "assemble": Assemble})
    monkeypatch.setattr(Write, "log", [])
    monkeypatch.setattr(Write, "before", [])

    def open_store(
        text: str = CATALOG, *, source: str = "packages", mirror: str | None = None, cannot_build: str | None = None
    ) -> ArtifactStore:
        store = ArtifactStore(
            paths=replace(Paths.of("test"), cache=tmp_path / "cache", state=tmp_path / "state"),
            spec=ArtifactsSpec.model_validate({"source": source, "mirror": mirror}),
            catalog=catalog.parse(text),
            docker=docker,  # type: ignore[arg-type]
            lock=tmp_path / "lab.lock",
        )
        store.decisions.cannot_build = lambda: cannot_build
        return store

    return open_store


@pytest.fixture
def store(make_store: Callable[..., ArtifactStore]) -> ArtifactStore:
    return make_store()


@pytest.fixture
def built() -> list[str]:
    """Names of what was built, in order."""
    return Write.log


@pytest.fixture
def during_build() -> list[Callable[[BuildContext], None]]:
    """Functions to call in the middle of a build."""
    return Write.before


@pytest.fixture(autouse=True)
def on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs are those of Linux on amd64, wherever the tests run."""
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


@pytest.fixture(autouse=True)
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, in seconds; nobody waits for them."""
    asked: list[float] = []
    monkeypatch.setattr("lab.base.wait.pause", asked.append)
    return asked


@pytest.fixture
def unused_tcp_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
