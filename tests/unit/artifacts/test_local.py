"""Upstream's builds on this machine: search, results and names."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.artifacts.catalog import parse
from lab.artifacts.local import LocalStore
from lab.artifacts.make import make
from lab.artifacts.resolver import Match, NotFound
from lab.artifacts.store import ArtifactStore
from lab.base.errors import ArtifactError, HostError
from lab.tools.docker import Image
from tests.unit.artifacts.conftest import FakeDocker

IMAGE = "registry.test/mesh/proxy:2.0"
CATALOG = f"""
[proxy]
title = "the proxy image"
kind = "image"
version = "2.0"
upstream = {{ image = "{IMAGE}" }}
estimate_s = 1

[ctl]
title = "the CLI"
kind = "binaries"
version = "2.0"
upstream = {{ url = "https://releases.test/ctl", as_file = "bin/ctl", says = ["version"] }}
estimate_s = 1

[chart]
title = "the chart"
kind = "files"
version = "2.0"
upstream = {{ chart = "ingress" }}
estimate_s = 1

[both]
title = "an image of it"
kind = "image"
version = "2.0"
recipe = "assemble"
sources = ["ctl/bin/ctl"]
estimate_s = 1
"""
ARTIFACTS = parse(CATALOG)


def image(name: str, number: int = 1) -> Image:
    return Image(id=f"sha256:{number}", tags=(name,), labels={}, digests=(), architecture="amd64", size_bytes=1)


def program(folder: Path, version: str = "2.0") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "ctl"
    file.write_text(f"#!/bin/sh\necho {version}\n")
    file.chmod(0o755)
    return file


def chart(folder: Path, version: str = "2.0") -> Path:
    place = folder / "ingress"
    (place / "templates").mkdir(parents=True)
    (place / "Chart.yaml").write_text(f"name: ingress\nversion: {version}\n")
    (place / "templates" / "a.yaml").write_text("a: 1\n")
    return place


@pytest.fixture(autouse=True)
def nothing_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


@pytest.fixture
def open_store(
    make_store: Callable[..., ArtifactStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], ArtifactStore]:
    def again() -> ArtifactStore:
        monkeypatch.setenv("LAB_LOCAL_DIR", str(tmp_path / "local"))
        return make_store(CATALOG)

    return again


def test_an_image_is_told_by_its_id_and_keeps_upstreams_name(
    open_store: Callable[[], ArtifactStore], docker: FakeDocker
) -> None:
    docker.known[IMAGE] = image(IMAGE)
    store = open_store()
    found = store.resolver.find(ARTIFACTS["proxy"])
    assert isinstance(found, Match)
    assert (found.name, found.identity) == (IMAGE, "sha256:1")
    make(store, "proxy")
    assert store.image("proxy") == IMAGE
    entry = store.entry("proxy")
    assert entry is not None
    assert (entry.source, entry.image_id, entry.notes["taken from"]) == ("local", "sha256:1", IMAGE)


def test_another_image_under_the_same_name_is_another_artifact(
    open_store: Callable[[], ArtifactStore], docker: FakeDocker
) -> None:
    docker.known[IMAGE] = image(IMAGE)
    before = open_store().keys["proxy"]
    docker.known[IMAGE] = image(IMAGE, 2)
    assert open_store().keys["proxy"] != before


def test_an_image_is_found_under_the_mirrors_name(docker: FakeDocker) -> None:
    docker.known["mirror.test/all/mesh/proxy:2.0"] = image("mirror.test/all/mesh/proxy:2.0")
    store = LocalStore(docker=docker, mirror="mirror.test/all")  # type: ignore[arg-type]
    found = store.look(ARTIFACTS["proxy"])
    assert isinstance(found, Match)
    assert (found.name, found.identity) == ("mirror.test/all/mesh/proxy:2.0", "sha256:1")


@pytest.mark.parametrize("repository", ["registry.test/mesh/proxy", "mirror.test/mesh/proxy"])
def test_an_image_that_was_pulled_is_told_by_its_registrys_digest(docker: FakeDocker, repository: str) -> None:
    docker.known[IMAGE] = replace(image(IMAGE), digests=("other.test/x@sha256:7", f"{repository}@sha256:9"))
    store = LocalStore(docker=docker, mirror="mirror.test")  # type: ignore[arg-type]
    found = store.look(ARTIFACTS["proxy"])
    assert isinstance(found, Match)
    assert found.identity == "sha256:9"


def test_what_is_missing_is_named_with_every_place_that_was_looked_at(
    open_store: Callable[[], ArtifactStore], tmp_path: Path
) -> None:
    missing = open_store().unobtainable(["proxy", "both", "chart"])
    assert missing is not None
    proxy, chart, ctl = missing.what.splitlines()
    assert IMAGE in proxy
    assert str(tmp_path / "local" / "ctl") in ctl
    assert "PATH/ctl" in ctl
    assert str(tmp_path / "local" / "ingress-2.0.tgz") in chart
    assert missing.next == f"docker pull {IMAGE}; put ingress, ctl into the folder that LAB_LOCAL_DIR names"


def test_without_a_folder_the_ways_to_name_one_are_said(docker: FakeDocker) -> None:
    store = LocalStore(docker=docker)  # type: ignore[arg-type]
    assert "LAB_LOCAL_DIR" in str(store.look(ARTIFACTS["chart"]))


def test_an_engine_that_is_not_there_has_no_images(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: str) -> None:
        raise HostError("no engine answers", next="lab doctor --fix")

    monkeypatch.setattr(docker, "image", gone)
    store = LocalStore(docker=docker)  # type: ignore[arg-type]
    assert store.look(ARTIFACTS["proxy"]) == NotFound(looked=("no engine answers",), next="lab doctor --fix")


def test_an_engine_that_does_not_answer_is_started_before_anybody_pulls(
    docker: FakeDocker, monkeypatch: pytest.MonkeyPatch, open_store: Callable[[], ArtifactStore]
) -> None:
    def gone(_: str) -> None:
        raise HostError("no engine answers", next="lab doctor --fix")

    monkeypatch.setattr(docker, "image", gone)
    missing = open_store().unobtainable(["proxy"])
    assert missing is not None
    assert missing.next == f"lab doctor --fix; docker pull {IMAGE}"


def test_taking_what_is_not_there_fails_and_leaves_nothing(open_store: Callable[[], ArtifactStore]) -> None:
    store = open_store()
    words = r"the proxy image 2\.0 is unavailable here: the local Docker store has no"
    with pytest.raises(ArtifactError, match=words):
        make(store, "proxy")
    assert store.entry("proxy") is None


def test_a_program_is_taken_from_the_folder_or_from_path(
    open_store: Callable[[], ArtifactStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "path")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}{os.pathsep}/bin")
    store = open_store()
    assert store.unobtainable(["ctl"]) is None
    make(store, "ctl")
    taken = store.binary("ctl")
    assert taken.read_text().endswith("echo 2.0\n")
    assert os.access(taken, os.X_OK)


def test_what_was_taken_stays_usable_when_it_is_gone_from_where_it_was(
    open_store: Callable[[], ArtifactStore], tmp_path: Path
) -> None:
    place = program(tmp_path / "local")
    make(open_store(), "ctl")
    place.unlink()
    later = open_store()
    assert later.problem("ctl") is None
    assert later.binary("ctl").exists()
    later.binary("ctl").unlink()  # what is damaged is gone for good, and is said to be
    assert open_store().unobtainable(["ctl"]) is not None


def test_what_was_taken_under_another_key_is_taken_again_from_the_store(
    open_store: Callable[[], ArtifactStore], tmp_path: Path
) -> None:
    # Another version of the lab computes other keys.
    place = chart(tmp_path / "local")
    store = open_store()
    make(store, "chart")
    entry = store.entry("chart")
    assert entry is not None
    entry.path.rename(entry.path.with_name("0" * 12))
    shutil.rmtree(place)
    later = open_store()
    assert later.unobtainable(["chart"]) is None
    assert later.problem("chart") == "it is missing"
    make(later, "chart")
    taken = later.entry("chart")
    assert taken is not None
    assert taken.files == entry.files
    assert taken.notes == entry.notes
    assert open_store().problem("chart") is None


def test_an_image_that_is_gone_is_missing(open_store: Callable[[], ArtifactStore], docker: FakeDocker) -> None:
    docker.known[IMAGE] = image(IMAGE)
    make(open_store(), "proxy")
    del docker.known[IMAGE]
    assert open_store().unobtainable(["proxy"]) is not None


def test_a_program_of_another_version_is_not_taken(open_store: Callable[[], ArtifactStore], tmp_path: Path) -> None:
    place = program(tmp_path / "local", version="1.9")
    assert f"{place}: 1.9, not 2.0" in str(open_store().resolver.find(ARTIFACTS["ctl"]))


def test_a_chart_is_taken_as_a_folder_or_packed(open_store: Callable[[], ArtifactStore], tmp_path: Path) -> None:
    place = chart(tmp_path / "local")
    store = open_store()
    make(store, "chart")
    assert store.file("chart", "chart/templates/a.yaml").read_text() == "a: 1\n"
    with tarfile.open(tmp_path / "local" / "ingress-2.0.tgz", "w:gz") as tar:
        tar.add(place, arcname="ingress")
    place.rename(tmp_path / "elsewhere")
    again = open_store()
    make(again, "chart")
    assert again.file("chart", "chart/Chart.yaml").exists()


def test_a_chart_of_another_version_is_not_taken(open_store: Callable[[], ArtifactStore], tmp_path: Path) -> None:
    place = chart(tmp_path / "local", version="3.9")
    assert f"{place}: 3.9, not 2.0" in str(open_store().resolver.find(ARTIFACTS["chart"]))


def test_a_program_without_the_digest_of_lab_lock_is_not_taken(
    open_store: Callable[[], ArtifactStore], tmp_path: Path
) -> None:
    place = program(tmp_path / "local")
    pinned = f"sha256:{'7' * 64}"
    (tmp_path / "lab.lock").write_text(f'[digests]\n"https://releases.test/ctl" = "{pinned}"\n')
    seen = str(open_store().resolver.find(ARTIFACTS["ctl"]))
    assert f"{place}: its digest is sha256:" in seen
    assert f"not {pinned} as {tmp_path / 'lab.lock'} says" in seen


def test_an_image_without_the_digest_of_lab_lock_is_not_taken(
    open_store: Callable[[], ArtifactStore], docker: FakeDocker, tmp_path: Path
) -> None:
    docker.known[IMAGE] = replace(image(IMAGE), digests=(f"registry.test/mesh/proxy@sha256:{'6' * 64}",))
    (tmp_path / "lab.lock").write_text(f'[digests]\n"{IMAGE}" = "sha256:{"7" * 64}"\n')
    seen = str(open_store().resolver.find(ARTIFACTS["proxy"]))
    assert f"has the digest sha256:{'6' * 64}, not sha256:{'7' * 64}" in seen


def test_a_program_that_may_not_be_run_is_a_searched_place_with_the_reason(
    open_store: Callable[[], ArtifactStore], tmp_path: Path
) -> None:
    program(tmp_path / "local").chmod(0o644)
    missing = open_store().unobtainable(["ctl"])
    assert missing is not None
    assert f"{tmp_path / 'local' / 'ctl'}: it does not run (permission denied: " in missing.what
