"""An archive of images is loaded only if it names exactly the bundle's images."""

from __future__ import annotations

import json
import tarfile
from typing import Any

import pytest

from lab.artifacts.bundle.images import WrongArchiveError, check
from tests.unit.artifacts import bundle_kit as kit

OURS = "eastwest-lab/whole:1"


def checked(archive: bytes, *references: str) -> None:
    check(iter([archive[:100], archive[100:]]), references or (OURS,))


def listed(*tags: str) -> tuple[str, bytes]:
    return "manifest.json", json.dumps([{"Config": "1.json", "RepoTags": list(tags)}]).encode()


def index(*names: str, key: str = "io.containerd.image.name") -> tuple[str, bytes]:
    images = [{"digest": "sha256:1", "annotations": {key: name}} for name in names]
    return "index.json", json.dumps({"manifests": images}).encode()


def test_an_archive_of_the_bundles_images_is_accepted() -> None:
    checked(kit.archive_of({OURS: "{}"}))
    checked(kit.tar_of([listed("prom/prometheus:v2")]), "docker.io/prom/prometheus:v2")


def test_an_index_of_all_platforms_with_the_content_of_one_is_accepted() -> None:
    # As an engine with containerd's image store saves an image that it pulled.
    checked(kit.tar_of([index(f"docker.io/{OURS}"), listed(OURS)]))


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([listed(OURS, "debian:12")], "images that the manifest does not name: docker.io/library/debian:12"),
        ([listed(OURS), index("docker.io/library/debian:12")], "does not name: docker.io/library/debian:12"),
        ([listed(OURS), index("debian:12", key="org.opencontainers.image.ref.name")], "does not name"),
        ([listed("debian:12")], "does not name"),
        ([listed()], "does not name"),
        ([("manifest.json", b"[]")], f"does not have docker.io/{OURS}"),
        ([listed(OURS), listed("debian:12")], "manifest.json is there twice"),
        ([listed(OURS), ("./manifest.json", b"[]")], "manifest.json is there twice"),
        ([index(OURS)], "manifest.json is missing"),
        ([("manifest.json", b"{")], "not an archive of images"),
        ([("manifest.json", b'{"a": 1}')], "its list of images is unreadable"),
        ([("manifest.json", b"[[]]")], "its list of images is unreadable"),
        ([listed(OURS), ("../../etc/cron.d/x", b"")], "a path leads out of it"),
        ([listed(OURS), ("/etc/cron.d/x", b"")], "a path leads out of it"),
    ],
)
def test_any_other_archive_is_refused(members: list[tuple[str, bytes]], words: str) -> None:
    with pytest.raises(WrongArchiveError) as raised:
        checked(kit.tar_of(members))
    assert words in str(raised.value)


def test_a_list_that_is_a_link_is_refused() -> None:
    with pytest.raises(WrongArchiveError, match="not a file"):
        checked(kit.tar_of([("other", listed(OURS)[1]), link("manifest.json", "other")]))


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def test_a_layer_that_is_a_link_to_another_layer_is_accepted() -> None:
    # As the classic store saves two equal layers.
    checked(kit.tar_of([("1/layer.tar", b"x"), link("2/layer.tar", "../1/layer.tar"), listed(OURS)]))


@pytest.mark.parametrize(
    "members",
    [
        [listed(OURS), link("x", "."), ("x/manifest.json", listed("debian:12")[1])],
        [listed(OURS), link("x", "manifest.json", tarfile.LNKTYPE)],
        [listed(OURS), link("x", "", tarfile.CHRTYPE)],
    ],
)
def test_a_member_that_could_replace_the_list_is_refused(members: list[Any]) -> None:
    with pytest.raises(WrongArchiveError, match="is neither a file nor a folder"):
        checked(kit.tar_of(members))


@pytest.mark.parametrize("content", [b"", b"no tar file", b"\0" * 2000])
def test_what_is_no_tar_file_is_refused(content: bytes) -> None:
    with pytest.raises(WrongArchiveError, match="not an archive of images"):
        checked(content)
