"""Images in the registry of lab.toml: pushed once, under a tag that names their content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from lab.artifacts import push, registry
from lab.artifacts.resolver import LOCAL, PACKAGES, UPSTREAM
from lab.artifacts.store import ArtifactStore
from lab.artifacts.web import WebError
from lab.base.errors import ArtifactError, CommandError
from lab.config import ArtifactsSpec


@dataclass
class Engine:
    """An engine that pushes; `refuses` is what the registry says to that."""

    done: list[str] = field(default_factory=list)
    refuses: str = ""

    def tag(self, reference: str, new: str) -> None:
        self.done.append(f"tag {reference} {new}")

    def push(self, reference: str, **_: Any) -> None:
        if self.refuses:
            raise CommandError(["docker", "image", "push", reference], returncode=1, stderr=self.refuses)
        self.done.append(f"push {reference}")

    def remove_image(self, reference: str) -> bool:
        self.done.append(f"remove {reference}")
        return True


class Store:
    """What a push asks of a store: it has built frontend, and took podinfo from upstream."""

    def __init__(self) -> None:
        self.docker = Engine()

    def image(self, name: str) -> str:
        return f"eastwest-lab/{name}:k1"

    def pulled_as(self, name: str) -> str:
        return f"registry.example/lab/{name}:k1"

    def is_pushed(self, name: str) -> bool:
        return name == "frontend"


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What the registry has."""
    found = set[str]()

    def digest(reference: str) -> str:
        if reference == "down":
            raise WebError("registry.example does not answer")
        if reference not in found:
            raise WebError(f"registry.example has no {reference}", absent=True)
        return "sha256:1"

    monkeypatch.setattr(registry, "digest", digest)
    return found


def test_what_the_registry_lacks_is_pushed_and_no_tag_stays_here(there: set[str]) -> None:
    store, name = Store(), "registry.example/lab/frontend:k1"
    assert push.ensure(store, ["frontend", "podinfo"]) == [name]  # type: ignore[arg-type]
    assert store.docker.done == [f"tag eastwest-lab/frontend:k1 {name}", f"push {name}", f"remove {name}"]
    there.add(name)
    assert push.ensure(store, ["frontend", "podinfo"]) == []  # type: ignore[arg-type]


def test_a_registry_that_refuses_is_named_with_the_login(there: set[str]) -> None:
    store = Store()
    store.docker.refuses = "Using default tag\ndenied: permission_denied"
    with pytest.raises(ArtifactError, match=r"did not take registry.example/lab/frontend:k1: denied") as refused:
        push.ensure(store, ["frontend"])  # type: ignore[arg-type]
    assert "docker login registry.example" in str(refused.value.next)
    assert store.docker.done[-1] == "remove registry.example/lab/frontend:k1"


def test_a_registry_that_is_silent_is_not_taken_for_an_empty_one(
    there: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    monkeypatch.setattr(store, "pulled_as", lambda _: "down")
    with pytest.raises(ArtifactError, match=r"the registry of lab.toml: registry.example does not answer"):
        push.ensure(store, ["frontend"])  # type: ignore[arg-type]
    assert store.docker.done == []


@pytest.fixture
def named(make_store: Callable[..., ArtifactStore], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that returns the reference of an image from a source."""

    def reference(source: str, host: str | None = "registry.example/lab") -> str:
        store = make_store()
        store.spec = ArtifactsSpec(registry=host)
        monkeypatch.setattr(store, "source", lambda _: source)
        monkeypatch.setattr(store, "reference", lambda name: f"upstream.example/{name}:v1")
        monkeypatch.setattr(store.keys, "is_built", lambda _: source == PACKAGES)
        monkeypatch.setattr(type(store.keys), "__getitem__", lambda *_: "k1")
        entry = type("Entry", (), {"image_id": "sha256:0123456789abcdef"})()
        monkeypatch.setattr(store, "_entry_or_raise", lambda _: entry)
        return store.pulled_as("app")

    return reference


@pytest.mark.parametrize(
    ("source", "reference"),
    [
        (UPSTREAM, "upstream.example/app:v1"),
        (PACKAGES, "registry.example/lab/app:k1"),
        (LOCAL, "registry.example/lab/app:v1-0123456789ab"),
    ],
)
def test_an_existing_cluster_pulls_from_upstream_what_upstream_has(
    named: Callable[..., str], source: str, reference: str
) -> None:
    assert named(source) == reference


def test_without_a_registry_the_setting_is_named(named: Callable[..., str]) -> None:
    with pytest.raises(ArtifactError, match="upstream does not have the image app") as refused:
        named(PACKAGES, None)
    assert 'registry = "HOST/PREFIX" under [artifacts]' in str(refused.value.next)
    assert named(UPSTREAM, None) == "upstream.example/app:v1"
