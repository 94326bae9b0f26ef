"""A real registry that admits one user: the lab finds an image there with the login that `docker login` writes."""

from __future__ import annotations

import hashlib
import json
import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from lab.artifacts import registry as registries
from lab.artifacts.web import WebError
from tests.contract.artifacts.conftest import Registry, serving

USER, PASSWORD = "ann", "correct horse"
HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n"
"""What `htpasswd -nbB ann 'correct horse'` prints, with another salt."""
AUTH = """
auth:
  htpasswd:
    realm: the lab's tests
    path: {path}
"""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DOCKER_AUTH_CONFIG", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def guarded(tmp_path: Path, program: str, home: Path) -> Iterator[Registry]:
    """A registry with one image, for one user."""
    passwords = tmp_path / "htpasswd"
    passwords.write_text(HTPASSWD)
    with serving(program, tmp_path, more=AUTH.format(path=passwords)) as found:
        _push(found)
        yield found


def _push(found: Registry) -> None:
    """Push an image without a layer, as `docker push` does."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    blob = f"sha256:{hashlib.sha256(config).hexdigest()}"
    described = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": blob, "size": len(config)}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}).encode()
    with requests.Session() as session:
        session.auth = (USER, PASSWORD)
        url = f"http://{found.host}/v2/some/thing"
        upload = session.post(f"{url}/blobs/uploads/", timeout=10)
        upload.raise_for_status()
        place = upload.headers["Location"]
        sent = session.put(f"{place}{'&' if '?' in place else '?'}digest={blob}", data=config, timeout=10)
        sent.raise_for_status()
        put = session.put(f"{url}/manifests/1", data=manifest, headers={"Content-Type": MANIFEST}, timeout=10)
        put.raise_for_status()
        found.digest = put.headers["Docker-Content-Digest"]


def by_file(folder: Path, host: str) -> None:
    """Log in as `docker login` does without a credential helper."""
    folder.mkdir()
    auth = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def by_helper(folder: Path, host: str) -> None:
    """Log in as `docker login` does with a credential helper."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {}}, "credsStore": "of-the-test"}))
    helper = folder / "docker-credential-of-the-test"
    answer = json.dumps({"ServerURL": host, "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\n[ \"$1 $(cat)\" = 'get {host}' ] && echo '{answer}'\n")
    helper.chmod(0o755)


@pytest.mark.parametrize("folder", [".docker", "of-a-project"])
@pytest.mark.parametrize("log_in", [by_file, by_helper])
def test_an_image_is_found_with_the_login(
    guarded: Registry, home: Path, monkeypatch: pytest.MonkeyPatch, log_in: Callable[[Path, str], None], folder: str
) -> None:
    log_in(home / folder, guarded.host)
    monkeypatch.setenv("PATH", str(home / folder), prepend=os.pathsep)
    if folder != ".docker":
        monkeypatch.setenv("DOCKER_CONFIG", str(home / folder))
    assert registries.digest(f"{guarded.host}/some/thing:1") == guarded.digest


def test_without_the_login_the_refusal_names_the_command(guarded: Registry) -> None:
    assert registries.answers(guarded.host)
    with pytest.raises(WebError, match=rf"needs `docker login {guarded.host}`"):
        registries.digest(f"{guarded.host}/some/thing:1")
