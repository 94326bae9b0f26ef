"""What a pull counts: images, files, and bytes as the registry sends them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.artifacts.make import make
from lab.artifacts.store import ArtifactStore
from lab.base.pulled import Pulled
from lab.base.step import CHANGED
from lab.lifecycle import artifacts as verbs
from lab.lifecycle.runner import RunReport
from tests.unit.artifacts.site import Site, Trouble, digest, serving
from tests.unit.artifacts.test_verbs import lab

PROGRAM = bytes(1000)
SHARED, CONFIG = digest(b"the shared layer"), digest(b"the config")


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as found:
        yield found


@pytest.fixture
def store(site: Site, make_store: Callable[..., ArtifactStore], monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    images = "".join(
        f'\n[{name}]\ntitle = "{name}"\nkind = "image"\nversion = "2.0"\nestimate_s = 1\n'
        f'upstream = {{ image = "{site.host}/mesh/{name}:2.0" }}\n'
        for name in ("proxy", "pilot")
    )
    return make_store(site.catalog + images, source="upstream")


def manifest(*layers: tuple[str, int], config: int = 7) -> bytes:
    parts = [{"digest": name, "size": size} for name, size in layers]
    return json.dumps({"config": {"digest": CONFIG, "size": config}, "layers": parts}).encode()


def index(*children: tuple[str, str, str]) -> bytes:
    """Return an index: digest, system and architecture of each child."""
    listed = [{"digest": d, "platform": {"os": system, "architecture": cpu}} for d, system, cpu in children]
    return json.dumps({"manifests": listed}).encode()


def multi_platform(site: Site, name: str, for_amd64: bytes, for_arm64: bytes) -> None:
    """Publish an image for two platforms, with an attestation before them."""
    here, other = (site.image(f"mesh/{name}:part", content) for content in (for_amd64, for_arm64))
    attestation = (digest(b"attestation"), "unknown", "unknown")
    site.image(f"mesh/{name}:2.0", index(attestation, (other, "linux", "arm64"), (here, "linux", "amd64")))


def pulled(store: ArtifactStore, name: str) -> Pulled:
    return make(store, name).pulled or Pulled()


def test_an_image_counts_the_config_and_layers_of_the_engines_platform(store: ArtifactStore, site: Site) -> None:
    multi_platform(site, "proxy", manifest((SHARED, 100), ("sha256:1", 20)), manifest((SHARED, 5000)))
    assert pulled(store, "proxy") == Pulled(images=1, blobs={CONFIG: 7, SHARED: 100, "sha256:1": 20})
    asked = [line for line in site.asked if line.startswith("GET ") and "/manifests/" in line]
    assert len(asked) == 2, "each GET of a manifest counts against Docker Hub's limit: the index and one child"


def test_an_image_for_one_platform_needs_one_question(store: ArtifactStore, site: Site) -> None:
    wanted = site.image("mesh/proxy:2.0", manifest((SHARED, 100)))
    assert pulled(store, "proxy").size_bytes == 107
    assert [line for line in site.asked if line.startswith("GET ") and "/manifests/" in line] == [
        f"GET /v2/mesh/proxy/manifests/{wanted}"
    ]


def test_nothing_is_asked_or_counted_for_what_is_here(store: ArtifactStore, site: Site) -> None:
    site.image("mesh/proxy:2.0", manifest((SHARED, 100)))
    make(store, "proxy")
    site.asked.clear()
    assert make(store, "proxy").pulled is None
    assert site.asked == []


def test_a_layer_of_two_images_is_counted_once(store: ArtifactStore, site: Site) -> None:
    site.image("mesh/proxy:2.0", manifest((SHARED, 100), ("sha256:1", 20)))
    site.image("mesh/pilot:2.0", manifest((SHARED, 100), ("sha256:2", 3)))
    report = RunReport(results={name: make(store, name) for name in ("proxy", "pilot")}, duration_s=1)
    assert (report.pulled.images, report.pulled.size_bytes) == (2, 7 + 100 + 20 + 3)


@pytest.mark.parametrize(
    "answer",
    [
        Trouble(times=9, status=429, headers={"Retry-After": "20"}),
        Trouble(times=9, status=403),
        Trouble(times=9, body=b"another content", headers={"Content-Type": "application/json"}),
        Trouble(times=9, cut_after=3),
    ],
)
def test_an_image_whose_size_the_registry_does_not_tell_is_pulled_without_waiting(
    store: ArtifactStore, site: Site, answer: Trouble, rests: list[float]
) -> None:
    wanted = site.image("mesh/proxy:2.0", manifest((SHARED, 100)))
    assert store.unobtainable(["proxy"]) is None
    site.troubles[f"/v2/mesh/proxy/manifests/{wanted}"] = answer
    assert pulled(store, "proxy") == Pulled(images=1, unknown=1)
    assert (store.problem("proxy"), rests) == (None, [])


@pytest.mark.parametrize(
    "content",
    [
        index(("sha256:1", "linux", "arm64")),
        b'{"manifests": [{}]}',
        b'{"layers": []}',
        b'{"config": {"digest": "sha256:1", "size": "large"}, "layers": []}',
        b"[]",
        b"7",
    ],
)
def test_a_manifest_without_sizes_is_no_error(store: ArtifactStore, site: Site, content: bytes) -> None:
    site.image("mesh/proxy:2.0", content)
    assert pulled(store, "proxy") == Pulled(images=1, unknown=1)


def test_files_and_charts_count_as_they_were_downloaded(store: ArtifactStore, site: Site) -> None:
    site.release(PROGRAM)
    site.chart("one")
    (packed,) = [page for path, page in site.pages.items() if "/blobs/" in path]
    assert pulled(store, "ctl") == Pulled(files=1, blobs={digest(PROGRAM): len(PROGRAM)})
    chart = pulled(store, "chart")
    assert (chart.files, chart.images, chart.size_bytes) == (1, 0, len(packed))


def test_the_list_shows_what_was_pulled(store: ArtifactStore, site: Site) -> None:
    site.image("mesh/proxy:2.0", manifest((SHARED, 3 << 20)))
    site.image("mesh/pilot:2.0", b"{}")
    for name in ("proxy", "pilot"):
        make(store, name)
    listed = {row.name: row.pulled_bytes for row in verbs.listing(lab(store), ["proxy", "pilot"])}
    assert (listed["proxy"], listed["pilot"], listed["ctl"]) == ((3 << 20) + 7, 0, 0)


def test_what_is_built_is_not_pulled(make_store: Callable[..., ArtifactStore]) -> None:
    result: Any = make(make_store(), "tool")
    assert (result, bool(Pulled())) == (CHANGED, False)
