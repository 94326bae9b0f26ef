"""The user's logins: found where `docker pull` finds them, and used for both ways in which registries ask for them."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from lab.artifacts import logins, registry
from lab.artifacts.logins import Login, UnreadableLoginError
from lab.artifacts.web import WebError
from tests.local_http import served
from tests.unit.artifacts.site import MANIFEST, digest

HUB = "https://index.docker.io/v1/"
CONTENT = b'{"schemaVersion": 2}'
SECRET = "correct horse battery staple"


def encoded(user: str, password: str = SECRET) -> str:
    return b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and no other place with logins."""
    for name in ("DOCKER_AUTH_CONFIG", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    return tmp_path


def write(folder: Path, **config: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))


def helper(home: Path, name: str, known: Mapping[str, tuple[str, str]], *, count: Path | None = None) -> None:
    """Install a credential helper: it answers for the servers that it knows, as docker-credential-helpers do."""
    program = home / "bin" / f"docker-credential-{name}"
    program.parent.mkdir(exist_ok=True)
    answers = "".join(
        f"  {server}) echo '{json.dumps({'ServerURL': server, 'Username': user, 'Secret': secret})}';;\n"
        for server, (user, secret) in known.items()
    )
    note = f"echo asked >> {count}\n" if count else ""
    refuse = "  *) echo 'credentials not found in native keychain'; exit 1;;\n"
    program.write_text(f'#!/bin/sh\n{note}[ "$1" = get ] || exit 2\ncase "$(cat)" in\n{answers}{refuse}esac\n')
    program.chmod(0o755)


def test_without_a_configuration_there_is_no_login(home: Path) -> None:
    assert logins.find("ghcr.io") is None


def test_a_login_is_found_in_the_home_folder_and_docker_config_names_another(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / ".docker", auths={"ghcr.io": {"auth": encoded("ann")}, "https://old.test/v1/": {"auth": encoded("o")}})
    assert logins.find("ghcr.io") == Login(user="ann", password=SECRET)
    assert logins.find("old.test") == Login(user="o", password=SECRET)
    assert logins.find("registry.test") is None
    write(home / "elsewhere", auths={"ghcr.io": {"auth": encoded("bob")}})
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "elsewhere"))
    assert logins.find("ghcr.io") == Login(user="bob", password=SECRET)
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "empty"))
    assert logins.find("ghcr.io") is None


def test_docker_hub_has_its_own_name_in_the_configuration(home: Path) -> None:
    write(home / ".docker", auths={HUB: {"auth": encoded("ann")}})
    assert logins.find("docker.io") == Login(user="ann", password=SECRET)


def test_helpers_answer_for_their_registry_or_for_all(home: Path) -> None:
    helper(home, "vault", {HUB: ("hub", SECRET), "ghcr.io": ("all", SECRET)})
    helper(home, "cloud", {"ghcr.io": ("cloud", SECRET)})
    write(home / ".docker", auths={HUB: {}, "ghcr.io": {}}, credsStore="vault", credHelpers={"ghcr.io": "cloud"})
    assert logins.find("docker.io") == Login(user="hub", password=SECRET)
    assert logins.find("ghcr.io") == Login(user="cloud", password=SECRET)
    assert logins.find("registry.test") is None


def test_a_helper_is_asked_once_because_it_may_ask_the_user(home: Path) -> None:
    helper(home, "vault", {"ghcr.io": ("ann", SECRET)}, count=home / "count")
    write(home / ".docker", credsStore="vault")
    assert {logins.find("ghcr.io") for _ in range(3)} == {Login(user="ann", password=SECRET)}
    assert (home / "count").read_text() == "asked\n"


def test_an_identity_token_is_a_login(home: Path) -> None:
    helper(home, "vault", {"two.test": ("<token>", "two")})
    write(home / ".docker", auths={"one.test": {"auth": encoded("x", ""), "identitytoken": "one"}}, credsStore="vault")
    assert logins.find("one.test") == Login(identity_token="one")
    assert logins.find("two.test") == Login(identity_token="two")


def test_the_environment_wins_and_what_it_lacks_is_in_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".docker", auths={"ghcr.io": {"auth": encoded("file")}, "other.test": {"auth": encoded("file")}})
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", json.dumps({"auths": {"ghcr.io": {"auth": encoded("environment")}}}))
    assert logins.find("ghcr.io") == Login(user="environment", password=SECRET)
    assert logins.find("other.test") == Login(user="file", password=SECRET)


@pytest.mark.parametrize(
    "config",
    [
        {"credsStore": "gone"},
        {"credHelpers": {"ghcr.io": "broken"}},
        {"auths": {"ghcr.io": {"auth": "not base64!"}}},
        {"auths": {"ghcr.io": {"auth": b64encode(b"no colon").decode()}}},
        {"auths": {"ghcr.io": "a text"}},
    ],
)
def test_what_cannot_be_read_is_named_without_a_secret(home: Path, config: Mapping[str, Any]) -> None:
    program = home / "bin/docker-credential-broken"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho '{\"Username\": 1}'\n")
    program.chmod(0o755)
    write(home / ".docker", **config)
    with pytest.raises(UnreadableLoginError) as raised:
        logins.find("ghcr.io")
    assert str(raised.value)


def test_no_secret_is_in_the_text_of_a_login() -> None:
    assert "secret" not in repr(Login(user="ann", password="secret", identity_token="secret"))


# A registry that asks for a login


@dataclass
class Guarded:
    """A registry with one image, whose token server is itself. `asks` is Basic or Bearer."""

    asks: str
    host: str = ""
    seen: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    site: Guarded

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        if self.path.startswith("/token?"):
            login = self.headers.get("Authorization", "anonymous")
            self._give(b'{"token": "by-password"}', of=login == f"Basic {encoded('ann')}")
        else:
            self._answer()

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        wanted = {"grant_type": ["refresh_token"], "refresh_token": [SECRET], "service": ["registry"]}
        good = self.path == "/token" and wanted.items() <= form.items() and form["scope"] == ["repository:a/b:pull"]
        self._give(b'{"access_token": "by-identity"}', of=good)

    def _answer(self) -> None:
        site, sent = self.site, self.headers.get("Authorization", "")
        site.seen.append(sent)
        accepted = {"Basic": {f"Basic {encoded('ann')}"}, "Bearer": {"Bearer by-password", "Bearer by-identity"}}
        if sent in accepted[site.asks]:
            self._send(200, {"Docker-Content-Digest": digest(CONTENT), "Content-Type": MANIFEST}, CONTENT)
            return
        realm = "a registry" if site.asks == "Basic" else f"http://{site.host}/token"
        challenge = f'{site.asks} realm="{realm}",service="registry",scope="repository:a/b:pull"'
        self._send(401, {"Www-Authenticate": challenge}, b"")

    def _give(self, token: bytes, *, of: bool) -> None:
        self._send(200 if of else 401, {"Content-Type": "application/json"}, token if of else b"{}")

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def guarded(asks: str) -> Iterator[Guarded]:
    site = Guarded(asks=asks)
    with served(type("Handler", (_Handler,), {"site": site})) as site.host:
        yield site


@pytest.mark.parametrize("asks", ["Basic", "Bearer"])
def test_a_registry_gets_the_login_only_after_it_has_asked(home: Path, asks: str) -> None:
    with guarded(asks) as site:
        write(home / ".docker", auths={site.host: {"auth": encoded("ann")}})
        assert registry.digest(f"{site.host}/a/b:1") == digest(CONTENT)
        assert site.seen[0] == ""
        assert len(site.seen) == 2


def test_an_identity_token_buys_a_token_of_the_registry(home: Path) -> None:
    with guarded("Bearer") as site:
        write(home / ".docker", auths={site.host: {"identitytoken": SECRET}})
        assert registry.digest(f"{site.host}/a/b:1") == digest(CONTENT)
        assert site.seen == ["", "Bearer by-identity"]


@pytest.mark.parametrize("asks", ["Basic", "Bearer"])
@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, r"needs `docker login 127\.0\.0\.1:\d+`$"),
        ({"auths": {"HOST": {"auth": encoded("ann", "wrong")}}}, "another login than that of the docker command"),
        ({"auths": {"HOST": {"identitytoken": "wrong"}}}, "another login than that of the docker command"),
        ({"credsStore": "gone"}, r"login cannot be read: .*docker-credential-gone not installed"),
    ],
)
def test_a_refusal_says_what_is_missing(home: Path, asks: str, config: Mapping[str, Any], words: str) -> None:
    with guarded(asks) as site:
        write(home / ".docker", **json.loads(json.dumps(config).replace("HOST", site.host)))
        with pytest.raises(WebError, match=words) as raised:
            registry.digest(f"{site.host}/a/b:1")
        assert SECRET not in str(raised.value)
        assert not raised.value.absent
