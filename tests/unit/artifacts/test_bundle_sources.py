"""A bundle contains the decision for each artifact: after loading it, the lab asks no registry."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import config
from lab.artifacts import catalog, plan
from lab.artifacts.bundle import load, save
from lab.artifacts.make import make
from lab.artifacts.store import ArtifactStore
from lab.base.errors import ArtifactError
from lab.base.paths import Paths
from lab.config import ArtifactsSpec
from lab.lifecycle import artifacts as verbs
from tests.unit.artifacts import bundle_kit as kit
from tests.unit.artifacts.site import Site, digest, serving

PROGRAM = b"\x7fELF" + bytes(1000)
STACK = ("ctl", "crds", "chart", "proxy", "own", "compiled")
Opened = Callable[..., ArtifactStore]


@pytest.fixture
def site() -> Iterator[Site]:
    """Upstream, which has all but the program `compiled`."""
    with serving() as found:
        found.chart("one")
        found.release(PROGRAM)
        found.pages["/crds.yaml"] = b"kind: CustomResourceDefinition\n"
        found.image("mesh/proxy:2.0")
        found.image("library/base:3", b'{"schemaVersion": 2, "of": "base"}')
        yield found


@pytest.fixture
def opened(site: Site, tmp_path: Path, make_store: object) -> Opened:
    """Return a function that opens the store of a machine; `make_store` has replaced the recipes."""
    engines: dict[str, kit.ArchivingDocker] = {}
    text = f"""
{site.catalog}
[proxy]
title = "the proxy's image"
kind = "image"
version = "2.0"
upstream = {{ image = "{site.host}/mesh/proxy:2.0" }}
estimate_s = 1

[own]
title = "the lab's own image, on upstream's base"
kind = "image"
version = "1"
recipe = "assemble"
sources = ["base/x"]
estimate_s = 1

[base]
title = "the base of the lab's own image"
kind = "files"
version = "3"
upstream = {{ url = "http://{site.host}/base", as_file = "x" }}
estimate_s = 1

[compiled]
title = "a program that upstream did not have"
kind = "binaries"
version = "1"
recipe = "write"
text = "compiled"
path = "bin/compiled"
estimate_s = 1
[compiled.upstream]
url = "http://{site.host}/compiled"
as_file = "bin/compiled"
"""
    site.pages["/base"] = b"the base"

    def open_store(machine: str, *, cannot_build: str | None = None, lock: Path | None = None) -> ArtifactStore:
        folder = tmp_path / machine
        store = ArtifactStore(
            paths=replace(Paths.of("test"), cache=folder / "cache", state=folder / "state", local=folder / "local"),
            spec=ArtifactsSpec(),
            catalog=catalog.parse(text),
            docker=engines.setdefault(machine, kit.ArchivingDocker()),  # type: ignore[arg-type]
            lock=lock or folder / "lab.lock",
        )
        store.decisions.cannot_build = lambda: cannot_build
        return store

    return open_store


@pytest.fixture
def bundle(opened: Opened, site: Site, tmp_path: Path) -> Path:
    """The bundle of a machine that could ask upstream, and build."""
    for name in ("base", *STACK):
        make(opened("here"), name)
    save(opened("here"), {"one": STACK}, tmp_path / "lab.bundle")
    return tmp_path / "lab.bundle"


@pytest.fixture
def changed(bundle: Path, site: Site) -> Site:
    """Upstream after the bundle was saved: each tag and file is another one, and nothing is missing any more."""
    site.chart("two")
    site.release(PROGRAM + b"new")
    site.pages |= {"/crds.yaml": b"kind: Other\n", "/base": b"another base", "/compiled": PROGRAM}
    site.image("mesh/proxy:2.0", b'{"schemaVersion": 2, "of": "another proxy"}')
    site.asked.clear()
    return site


def lab_of(store: ArtifactStore) -> Any:
    return SimpleNamespace(artifacts=store, spec=config.parse(""), node_image=None)


def test_after_a_load_nothing_is_missing_and_no_server_was_asked(opened: Opened, bundle: Path, changed: Site) -> None:
    report = load(opened("there", cannot_build="it cannot build"), bundle)
    assert (report.loaded, report.stacks) == (STACK, ("one",))
    store = opened("there", cannot_build="it cannot build")
    assert store.is_from_bundle(STACK)
    assert store.unobtainable(STACK) is None
    assert plan.missing(store, STACK) == []
    assert {name: store.source(name) for name in STACK} == {
        "ctl": "upstream",
        "crds": "upstream",
        "chart": "upstream",
        "proxy": "upstream",
        "own": "packages",
        "compiled": "packages",
    }
    assert store.binary("ctl").read_bytes() == PROGRAM
    assert store.binary("compiled").read_text() == "compiled"
    assert store.image("proxy") == f"{changed.host}/mesh/proxy:2.0"
    assert changed.asked == []


def test_the_lists_and_needs_ask_no_server_either(opened: Opened, bundle: Path, changed: Site) -> None:
    load(opened("there"), bundle)
    lab = lab_of(opened("there"))
    listed = {one.name: one for one in verbs.listing(lab, STACK, verify=True)}
    assert all(listed[name].there for name in STACK)
    stack: Any = SimpleNamespace(artifacts=lambda _: STACK, node_image="own")
    needs = verbs.needs(lab_of(opened("there")), stack)
    assert needs.nothing
    assert needs.node_image == opened("there").reference("own")
    assert changed.asked == []


def test_digests_and_the_reasons_to_trust_them_come_along(opened: Opened, bundle: Path, changed: Site) -> None:
    load(opened("there"), bundle)
    listed = {one.name: one for one in verbs.listing(lab_of(opened("there")), STACK)}
    assert listed["ctl"].digest == digest(PROGRAM)
    assert listed["ctl"].trust == f"http://{changed.host}/v2.0/ctl-linux-amd64.sha256"
    assert listed["proxy"].trust == "its first use"
    assert listed["proxy"].digest == digest(b'{"schemaVersion": 2}')


def test_no_folder_of_the_machine_is_in_a_bundle(opened: Opened, bundle: Path, tmp_path: Path) -> None:
    """Also not that of lab.lock, which the first machine trusts by now."""
    other, root = tmp_path / "again", opened("here").root
    shutil.rmtree(root / "decisions")
    shutil.rmtree(root / "entries" / "ctl")
    make(opened("here"), "ctl")
    save(opened("here"), {"one": STACK}, other)
    content = kit.members_of(other)["manifest.json"]
    assert b'"trusted by": "lab.lock"' in content
    assert str(tmp_path).encode() not in content


def test_without_the_bundle_the_same_machine_asks(opened: Opened, changed: Site) -> None:
    assert not opened("there").is_from_bundle(STACK)
    assert opened("there").source("compiled") == "upstream"
    assert changed.asked != []


def test_a_damaged_artifact_is_missing_and_a_second_load_repairs_it(
    opened: Opened, bundle: Path, changed: Site
) -> None:
    load(opened("there"), bundle)
    opened("there").binary("ctl").unlink()
    assert plan.missing(opened("there"), STACK) == ["ctl"]
    assert load(opened("there"), bundle).loaded == ("ctl",)
    assert plan.missing(opened("there"), STACK) == []
    assert changed.asked == []


def test_another_digest_in_lab_lock_refuses_the_bundle(opened: Opened, bundle: Path, changed: Site) -> None:
    make(opened("there"), "crds")
    with pytest.raises(
        ArtifactError, match=r"the bundle has the CRDs with the digest sha256:.*, not sha256:"
    ) as raised:
        load(opened("there"), bundle)
    assert "lab.lock" in raised.value.what
    assert raised.value.where == str(bundle)
    assert not opened("there").is_from_bundle(STACK)


def test_the_lock_of_the_first_machine_fits_the_bundle(
    opened: Opened, bundle: Path, changed: Site, tmp_path: Path
) -> None:
    lock = tmp_path / "here" / "lab.lock"
    assert "mesh/proxy" in lock.read_text()
    assert load(opened("there", lock=lock), bundle).loaded == STACK
    assert plan.missing(opened("there", lock=lock), STACK) == []
    assert changed.asked == []


def test_an_artifact_that_no_source_has_any_more_cannot_be_saved(
    opened: Opened, bundle: Path, site: Site, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match=r"the chart 2\.0 is unavailable here"):
        save(opened("empty", cannot_build="it cannot build").offline(), {"one": ("chart",)}, tmp_path / "none")
    assert not (tmp_path / "none").exists()
