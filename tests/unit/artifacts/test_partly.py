"""One artifact is unavailable: it is named at once with the next command, and the others are pulled all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from lab import config
from lab.artifacts import duplicates, plan
from lab.artifacts.from_source import builders
from lab.artifacts.recipe import BuildContext, BuildResult
from lab.artifacts.store import ArtifactStore
from lab.base.errors import HostError, UnavailableError
from lab.base.paths import Paths
from lab.cli import machine, obtaining
from lab.lab import Lab
from lab.lifecycle import artifacts as verbs
from lab.lifecycle import plan as lifecycle
from lab.lifecycle.runner import run
from tests.unit.artifacts.conftest import FakeDocker, Write
from tests.unit.artifacts.site import Site, serving

Open = Callable[..., ArtifactStore]

CATALOG = """
[proxy]
title = "the proxy"
kind = "image"
version = "2.0"
upstream = { image = "HOST/mesh/proxy:2.0" }
estimate_s = 1

[app]
title = "the app"
kind = "image"
version = "1.0"
upstream = { image = "HOST/apps/app:1.0" }
estimate_s = 1

[tool]
title = "the tool"
kind = "files"
version = "1"
recipe = "write"
text = "tool"
path = "tool"
estimate_s = 1

[node]
title = "the node image"
kind = "image"
version = "1"
recipe = "bake"
images = ["proxy", "app"]
estimate_s = 1

[other-node]
title = "the other node image"
kind = "image"
version = "1"
recipe = "bake"
images = ["app"]
estimate_s = 1
"""
UP = ("tool", "node")


@dataclass(frozen=True, kw_only=True)
class Bake:
    """Make a node image of images that the engine must have."""

    revision: ClassVar[int] = 1
    images: tuple[str, ...]

    def needs(self) -> Iterable[str]:
        return self.images

    def inputs(self) -> Iterable[Path]:
        return ()

    def build(self, work: BuildContext) -> BuildResult:
        references = tuple(work.needs.image(name) for name in self.images)
        assert all(work.docker.image(reference) for reference in references), "docker save would fail"
        work.docker.build(work.scratch, tags=[work.reference], labels=work.labels)
        image = work.docker.image(work.reference)
        return BuildResult(image_id=image.id if image else None, baked=references)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        found.image("mesh/proxy:2.0")
        found.image("apps/app:1.0", b'{"schemaVersion": 2, "of": "app"}')
        yield found


@pytest.fixture
def open_store(site: Site, make_store: Open, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setattr(builders, "_BY_NAME", {"write": Write, "bake": Bake})
    return lambda: make_store(CATALOG.replace("HOST", site.host), source="auto")


def lab_of(store: ArtifactStore) -> Any:
    return SimpleNamespace(artifacts=store, spec=config.parse(""), paths=store.paths)


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The artifacts for which the machine was checked; it is ready."""
    asked: list[Any] = []

    def make_ready(lab: Any, *, only: Any, **_: Any) -> Any:
        asked.append(only)
        return lab

    monkeypatch.setattr(machine, "make_ready", make_ready)
    return asked


def tags(docker: FakeDocker) -> set[str]:
    """Return the names in the engine without those by digest, and without the registry of the test."""
    return {name.partition("/")[2] for name in docker.known if "@" not in name}


def test_what_is_available_is_pulled_and_built_without_what_needs_the_missing(
    open_store: Open, site: Site, ready: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    del site.pages["/v2/mesh/proxy/manifests/2.0"]
    store = open_store()
    with pytest.raises(UnavailableError) as raised:
        obtaining.obtain(lab_of(store), UP, install=False, yes=True)
    assert raised.value.exit_code == 2
    assert "the proxy 2.0 is unavailable here: " in raised.value.what
    assert raised.value.next == f"docker pull {site.host}/mesh/proxy:2.0"
    assert {name: store.problem(name) for name in ("tool", "app")} == {"tool": None, "app": None}
    assert [store.problem(name) for name in ("proxy", "node")] == ["it is missing"] * 2
    assert [sorted(names) for names in ready] == [["app", "tool"]]
    printed = capsys.readouterr().err
    assert printed.index("the proxy 2.0 is unavailable here") < printed.index("artifact/app"), "it is named first"
    assert f"next: docker pull {site.host}/mesh/proxy:2.0" in printed


def test_the_next_try_needs_only_the_missing_one(open_store: Open, site: Site, ready: list[Any]) -> None:
    missing = site.pages.pop("/v2/mesh/proxy/manifests/2.0")
    with pytest.raises(UnavailableError):
        obtaining.obtain(lab_of(open_store()), UP, install=False, yes=True)
    site.pages["/v2/mesh/proxy/manifests/2.0"] = missing
    later = open_store()
    assert {step.name for step in plan.steps(later, UP)} == {"artifact/proxy", "artifact/node", duplicates.STEP}
    obtaining.obtain(lab_of(later), UP, install=False, yes=True)
    assert [later.problem(name) for name in UP] == [None, None]


def test_where_nothing_else_is_missing_the_machine_is_not_checked(
    open_store: Open, site: Site, ready: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    del site.pages["/v2/mesh/proxy/manifests/2.0"]
    with pytest.raises(UnavailableError):
        obtaining.obtain(lab_of(open_store()), ("proxy",), install=False, yes=True)
    assert ready == []
    assert capsys.readouterr().err == "", "the error says it; nothing is pulled"


def test_a_machine_that_cannot_pull_hides_the_missing_one_no_more_than_a_pull_that_fails(
    open_store: Open, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def not_ready(*_: Any, **__: Any) -> Any:
        raise HostError("no engine", next="start it")

    monkeypatch.setattr(machine, "make_ready", not_ready)
    del site.pages["/v2/mesh/proxy/manifests/2.0"]
    with pytest.raises(UnavailableError, match=r"the proxy 2\.0 is unavailable"):
        obtaining.obtain(lab_of(open_store()), UP, install=False, yes=True)
    printed = capsys.readouterr().err
    assert "the other artifacts were not all built or pulled: no engine\n  next: start it" in printed


def test_without_a_missing_one_a_machine_that_cannot_pull_is_the_error(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_ready(*_: Any, **__: Any) -> Any:
        raise HostError("no engine", next="start it")

    monkeypatch.setattr(machine, "make_ready", not_ready)
    with pytest.raises(HostError, match="no engine"):
        obtaining.obtain(lab_of(open_store()), UP, install=False, yes=True)


# Copies


def test_the_engines_copies_go_when_the_node_image_has_them(open_store: Open, docker: FakeDocker) -> None:
    store = open_store()
    run(plan.steps(store, UP), sink=lambda event: None)
    assert tags(docker) == {f"node:{store.keys['node']}"}
    assert not [name for name in docker.known if "@" in name], "the names by digest keep the layers, too"
    assert plan.steps(open_store(), UP) == [], "`lab up` needs none of them"
    rows = {row.name: row for row in verbs.listing(lab_of(open_store()), UP)}
    assert (rows["proxy"].there, rows["proxy"].state, rows["proxy"].source) == (
        True,
        "inside the node image",
        "upstream",
    )
    assert rows["proxy"].digest == store.decisions["proxy"].match.identity  # type: ignore[union-attr]


def test_another_node_image_has_its_images_pulled_again_by_the_same_digest(
    open_store: Open, docker: FakeDocker
) -> None:
    store = open_store()
    run(plan.steps(store, UP), sink=lambda event: None)
    first = list(docker.pulled)
    later = open_store()
    run(plan.steps(later, ["other-node"]), sink=lambda event: None)
    assert later.problem("other-node") is None
    assert docker.pulled[len(first) :] == [name for name in first if "apps/app" in name]


def test_two_node_images_of_one_run_both_have_what_they_need(open_store: Open, docker: FakeDocker) -> None:
    store = open_store()
    steps = plan.steps(store, ["node", "other-node"])
    assert steps[-1].name == duplicates.STEP
    assert set(steps[-1].after) == {step.name for step in steps[:-1]}
    run(steps, sink=lambda event: None)
    assert tags(docker) == {f"{name}:{store.keys[name]}" for name in ("node", "other-node")}


def test_what_the_user_asked_for_and_what_the_machine_had_stays(
    open_store: Open, site: Site, docker: FakeDocker
) -> None:
    had = f"{site.host}/apps/app:1.0"
    docker.build(Path(), tags=[had], labels={})
    store = open_store()
    run(plan.steps(store, [*UP, "proxy"]), sink=lambda event: None)
    assert store.source("app") == "local"
    assert tags(docker) == {f"node:{store.keys['node']}", "apps/app:1.0", "mesh/proxy:2.0"}


def test_clean_deletes_copies_that_an_interrupted_run_left(open_store: Open, docker: FakeDocker) -> None:
    store = open_store()
    run([step for step in plan.steps(store, UP) if step.name != duplicates.STEP], sink=lambda event: None)
    assert {"apps/app:1.0", "mesh/proxy:2.0"} < tags(docker)
    said = list(verbs.clean(lab_of(open_store())))
    assert [line for line in said if "apps/app:1.0" in line and "the node image has it inside" in line]
    assert tags(docker) == {f"node:{store.keys['node']}"}


def test_nothing_is_deleted_where_the_engine_lost_the_node_image(open_store: Open, docker: FakeDocker) -> None:
    store = open_store()
    run([step for step in plan.steps(store, UP) if step.name != duplicates.STEP], sink=lambda event: None)
    docker.remove_image(store.reference("node"))
    assert list(duplicates.remove(open_store())) == []
    assert {"apps/app:1.0", "mesh/proxy:2.0"} == tags(docker)


def test_the_clusters_do_not_wait_for_the_deletion(
    open_store: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack: Any = SimpleNamespace(
        artifacts=lambda _: UP, prepares="", components=lambda _: {}, link_components=lambda *_: []
    )
    monkeypatch.setattr("lab.stacks.current", lambda _: stack)
    for name in ("_answers", "_export"):
        monkeypatch.setattr(f"lab.lifecycle.plan.{name}", lambda *_: SimpleNamespace(name="another", after=()))
    paths = Paths(cache=tmp_path, state=tmp_path)
    steps = lifecycle.up(Lab(spec=config.parse(""), paths=paths, artifacts=open_store()))
    assert duplicates.STEP in {step.name for step in steps}
    (cluster,) = [step for step in steps if step.name == "east/cluster"]
    assert "artifact/node" in cluster.after
    assert all(duplicates.STEP not in step.after for step in steps)
