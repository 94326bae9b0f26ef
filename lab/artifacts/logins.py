"""Find the user's login for a registry where `docker pull` finds it, so that the lab's own questions use it, too.

| place | content |
| --- | --- |
| `DOCKER_AUTH_CONFIG` | the text of a configuration with logins (docker 28.3 and newer) |
| `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json` | logins, and the names of credential helpers |
| `docker-credential-NAME` on PATH | a credential helper: for one registry (`credHelpers`) or for all (`credsStore`) |
"""

from __future__ import annotations

import json
import os
import threading
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True, kw_only=True)
class Login:
    """A user's login for one registry: a name with a password, or an identity token that stands for both."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


class UnreadableLoginError(Exception):
    """The docker command's configuration or its credential helper does not work; the message is the reason."""


_guard = threading.Lock()
_found: dict[tuple[str, ...], Login | None] = {}


def find(host: str) -> Login | None:
    """Return the login for a registry; None if the user is not logged in.

    A credential helper may ask the user, so each registry is looked up once.

    Args:
        host: the registry, as in an image's reference; `docker.io` for Docker Hub.

    Raises:
        UnreadableLoginError: the configuration is damaged, or its credential helper fails.
    """
    sources = (os.environ.get(name, "") for name in ("DOCKER_AUTH_CONFIG", "DOCKER_CONFIG", "HOME", "PATH"))
    key = (host, *sources)
    with _guard:
        if key not in _found:
            _found[key] = _look(host)
        return _found[key]


def _look(host: str) -> Login | None:
    from docker import auth, errors  # noqa: PLC0415 - most commands ask no registry

    given = os.environ.get("DOCKER_AUTH_CONFIG")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a missing helper; the error says the same
            configs = [auth.load_config(config_dict=json.loads(given))] if given else []
            configs += [auth.load_config()] if _has_file() else []
            entries = (config.resolve_authconfig(host) for config in configs)
            entry = next((found for found in entries if found), None)
    except (errors.DockerException, *_UNREADABLE) as error:
        raise UnreadableLoginError(str(error) or type(error).__name__) from error
    return _login(entry) if entry else None


def _has_file() -> bool:
    # The library reads the home folder's file also where DOCKER_CONFIG names another folder that has none.
    folder = os.environ.get("DOCKER_CONFIG")
    return not folder or (Path(folder) / "config.json").exists()


def _login(entry: dict[str, Any]) -> Login | None:
    # The library keeps the names of each source: "Username" from a helper, "username" from a file.
    values = {key.lower(): str(value or "") for key, value in entry.items()}
    found = Login(
        user=values.get("username", ""),
        password=values.get("password", ""),
        identity_token=values.get("identitytoken", ""),
    )
    return found if found.password or found.identity_token else None
