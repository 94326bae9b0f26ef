"""Renderings for folders are kept, and the keys with which they were made are not."""

from __future__ import annotations

import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.base.paths import Paths
from lab.initialize.sources import StoreSources
from lab.kube import manifests
from lab.kube.objects import Obj
from lab.stacks.linkerd import control_plane

PRIVATE = "PRIVATE KEY"


def texts(value: Any) -> Iterator[str]:
    """Yield all texts in a value, and what they are in base64."""
    match value:
        case dict():
            for inner in value.values():
                yield from texts(inner)
        case list():
            for inner in value:
                yield from texts(inner)
        case str():
            yield value
            try:
                yield b64decode(value, validate=True).decode()
            except ValueError:
                return


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(cache=tmp_path / "cache", state=tmp_path / "state")


class LinkerdCli:
    """Renders a Secret with the issuer's key, and one with a webhook's."""

    binary = Path("linkerd")

    def __init__(self) -> None:
        self.calls = 0

    def control_plane(self, *, anchor: Path, issuer: Path, issuer_key: Path, values: Path) -> str:
        del values
        self.calls += 1
        key = issuer_key.read_text()
        assert PRIVATE in key
        assert all(file.stat().st_mode & 0o077 == 0 for file in (issuer_key, issuer_key.parent))
        return manifests.dump_all(
            [
                secret("issuer", {"crt.pem": issuer.read_text(), "key.pem": key}),
                secret("webhook", {"tls.crt": anchor.read_text(), "tls.key": key}),
                {**secret("overrides", {}), "stringData": {"values": f"identity:\n  key: |\n    {key}"}},
            ]
        )


def secret(name: str, entries: dict[str, str]) -> Obj:
    data = {key: b64encode(text.encode()).decode() for key, text in entries.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "linkerd"},
        **({"data": data} if data else {}),
    }


def test_keys_are_deleted_after_each_rendering_and_renderings_are_kept(
    paths: Paths, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = LinkerdCli()
    monkeypatch.setattr(control_plane, "cli_of", lambda _: cli)
    first = StoreSources(paths).component("linkerd", "linkerd-identity", "east")
    again = StoreSources(paths).component("linkerd", "linkerd-identity", "east")
    assert (cli.calls, first) == (1, again)
    assert [obj["metadata"]["name"] for obj in first.placeholders] == ["issuer", "webhook", "overrides"]
    (kept,) = [file for file in paths.cache.rglob("*") if file.is_file()]
    objects = manifests.load_document(kept.read_text())
    assert not [text for text in texts([objects, first.objects]) if PRIVATE in text]
    # The commands that create a webhook's certificate are found by the one that was rendered.
    assert "BEGIN CERTIFICATE" in b64decode(objects[1]["data"]["tls.crt"]).decode()
    assert list(temporary.iterdir()) == []
    assert kept.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in (kept.parent, paths.initializer)} == {0o700}


def test_the_rendering_of_istio_s_keys_leaves_nothing(paths: Paths, temporary: Path) -> None:
    rendering = StoreSources(paths).component("istio", "trust", "east")
    assert rendering.public == []
    assert not [text for text in texts(rendering.placeholders) if PRIVATE in text]
    assert list(temporary.iterdir()) == []
    assert not paths.initializer.exists()
