"""What `lab up` has to build or fetch, by the decision of each artifact: the doctor asks for nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import config
from lab.artifacts import catalog
from lab.artifacts.catalog import Artifact
from lab.artifacts.decisions import BUILD, Decision
from lab.artifacts.make import make
from lab.artifacts.resolver import LOCAL, UPSTREAM, Match
from lab.artifacts.store import ArtifactStore
from lab.base.paths import Paths
from lab.host.doctor import needs as groups
from lab.host.doctor.needs import ArtifactNeeds
from lab.lab import Lab
from lab.lifecycle import artifacts
from lab.stacks import STACKS
from tests.unit.artifacts.conftest import CATALOG, FakeDocker

PUBLISHED = CATALOG.replace(
    'path = "bin/tool"\n', 'path = "bin/tool"\nupstream = { url = "https://files.test/tool", as_file = "bin/tool" }\n'
).replace(
    'path = "part.txt"\n', 'path = "part.txt"\nupstream = { chart = "part", registry = "registry.test/charts" }\n'
)


BOTH = {"docker.io", "ghcr.io"}
DIGEST = f"sha256:{'1' * 64}"


def taken(source: str, name: str, *, digest: str = DIGEST) -> Decision:
    return Decision(source=source, match=Match(source=source, name=name, identity=digest))


def of(store: ArtifactStore) -> ArtifactNeeds:
    lab: Any = SimpleNamespace(spec=config.parse(""), artifacts=store, node_image=None)
    stack: Any = SimpleNamespace(artifacts=lambda _: ("whole",), node_image="whole")
    return artifacts.needs(lab, stack)


def test_nothing_is_needed_when_all_is_there(store: ArtifactStore) -> None:
    for name in ("tool", "part", "whole"):
        make(store, name)
    found = of(store)
    assert found.nothing
    assert found.node_image == store.reference("whole")


@pytest.mark.parametrize(
    ("decided", "build", "fetch", "registries"),
    [
        ({}, {"tool", "part", "whole"}, set(), ()),
        ({"tool": taken(UPSTREAM, "https://files.test/tool")}, {"part", "whole"}, {"tool"}, ()),
        ({"part": taken(UPSTREAM, "registry.test/charts/part:1")}, {"tool", "whole"}, {"part"}, ("registry.test",)),
        (
            {"tool": taken(LOCAL, "/usr/bin/tool"), "part": taken(UPSTREAM, "registry.test/charts/part:1")},
            {"whole"},
            {"tool", "part"},
            ("registry.test",),
        ),
    ],
)
def test_what_is_missing_is_built_or_fetched_as_decided(
    make_store: Callable[..., ArtifactStore],
    decided: Mapping[str, Decision],
    build: set[str],
    fetch: set[str],
    registries: tuple[str, ...],
) -> None:
    store = make_store(PUBLISHED, source="auto")
    store.decisions.assume({"tool": BUILD, "part": BUILD, **decided})
    found = of(store)
    assert set(found.build) == build
    assert found.build["whole"] == "assemble"
    assert set(found.fetch) == fetch
    assert found.registries == registries
    assert found.node_image is None


# The lab's own catalogue


def test_each_recipe_is_in_exactly_one_group_of_needs() -> None:
    known = [*groups.GO, *groups.MODULES, *groups.PYTHON, *groups.DEBIAN, *groups.ENGINE]
    assert sorted(known) == sorted({artifact.recipe for artifact in catalog.default() if artifact.recipe})


@pytest.mark.parametrize(
    ("built", "go", "debian", "registries", "some"),
    [
        (lambda _: False, False, False, BOTH, {"frontend", "frontend-packages", "node-image"}),
        (lambda artifact: artifact.upstream.group == "istio", True, True, BOTH, {"istio", "envoy", "iptables-rootfs"}),
        (lambda artifact: artifact.name == "podinfo", True, False, {"docker.io"}, {"podinfo", "podinfo-program"}),
        (lambda artifact: artifact.name == "python", False, True, BOTH, {"python", "python-rootfs", "debian"}),
        (lambda artifact: artifact.recipe is not None, True, True, set(), {"kubernetes", "node-rootfs", "kind"}),
    ],
)
def test_the_istio_stack_needs_what_its_own_builds_need(  # noqa: PLR0917 - fixtures and one row of the table
    tmp_path: Path, built: Callable[[Artifact], bool], go: bool, debian: bool, registries: set[str], some: set[str]
) -> None:
    paths = Paths(cache=tmp_path / "cache", state=tmp_path / "state")
    store = ArtifactStore(paths=paths, docker=FakeDocker())  # type: ignore[arg-type]
    published = [artifact for artifact in store.catalog if artifact.upstream is not None]
    for one in published:
        pin = store.pins.pin(one)
        pulled = taken(UPSTREAM, store.pins.name(one), digest=pin.digest if pin else DIGEST)
        store.decisions.assume({one.name: BUILD if built(one) else pulled})
    needs = artifacts.needs(Lab(spec=config.parse(""), paths=paths, artifacts=store), STACKS["istio"])
    assert (needs.go, needs.debian, needs.from_packages) == (go, debian, go or debian)
    assert needs.python  # the frontend's packages
    assert some <= set(needs.build)
    assert set(needs.registries) == registries
    assert set(needs.fetch).isdisjoint(needs.build)
