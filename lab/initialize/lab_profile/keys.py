"""The Secrets of a profile's authentication. `lab up` makes their content once, and keeps it in the state folder."""

from __future__ import annotations

import json
import os
import secrets as random
import shlex
import threading
from base64 import b64encode
from collections.abc import Collection, Mapping

from lab.base.errors import UsageError
from lab.base.files import write_atomic
from lab.base.paths import Paths
from lab.initialize.ingresses import AUTH
from lab.initialize.options.authentication import PROVIDER, PROXY, USERS
from lab.kube.objects import Obj

USER = "demo@example.test"
_CLIENT = ("CLIENT_ID", "CLIENT_SECRET")
_NAMES = ("client-id", "client-secret", "cookie-secret", "password", "own")
_guard = threading.Lock()


def needed(chosen: Collection[str]) -> bool:
    """Return whether the choices need any."""
    return PROXY in chosen


def check(paths: Paths, chosen: Collection[str]) -> None:
    """Check that the client at an OpenID provider of the user's own is known.

    Raises:
        UsageError: CLIENT_ID or CLIENT_SECRET is not in the environment, and was never given; or the file with what was
            given is damaged.
    """
    if not needed(chosen) or _read(paths).get("own") == str(False) or PROVIDER in chosen:
        return
    if missing := [name for name in _CLIENT if not os.environ.get(name)]:
        raise UsageError(
            f"oauth2-proxy needs its client at your OpenID provider: {' and '.join(missing)} not set",
            next=f"export {' '.join(f'{name}=…' for name in missing)}; or choose {PROVIDER}, the lab's own provider",
        )


def secrets(paths: Paths, chosen: Collection[str]) -> list[Obj]:
    """Return the Secrets, the same ones at each call.

    Raises:
        UsageError: the file with their content is damaged.
    """
    kept = _kept(paths, own=PROVIDER in chosen)
    client = {"client-id": kept["client-id"], "client-secret": kept["client-secret"]}
    made = [_secret(PROXY, {**client, "cookie-secret": kept["cookie-secret"]})]
    if PROVIDER in chosen:
        users = f"{USER}:{kept['password']}"
        made.append(_secret(PROVIDER, {"client-secret": kept["client-secret"], USERS: users}))
    return made


def _kept(paths: Paths, *, own: bool) -> Mapping[str, str]:
    """Return the values that were made or given before; make those that are missing."""
    with _guard:  # the steps of all clusters ask at once
        return _made(paths, own=own)


def _read(paths: Paths) -> Mapping[str, str]:
    file = paths.profile_keys
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if not (isinstance(kept, dict) and all(isinstance(kept.get(name), str) for name in _NAMES)):
            raise ValueError(f"it must have the texts {', '.join(_NAMES)}")  # noqa: TRY301 - as a text that is not JSON
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError, IsADirectoryError) as error:
        why = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise UsageError(
            f"is damaged: {why}",
            where=str(file),
            next=f"rm -r {shlex.quote(str(file))}, then lab up: it makes new Secrets, for which a provider of your own "
            f"needs {' and '.join(_CLIENT)} again",
        ) from error
    return {name: kept[name] for name in _NAMES}


def _made(paths: Paths, *, own: bool) -> Mapping[str, str]:
    kept = _read(paths)
    given = {"client-id": os.environ.get(_CLIENT[0], ""), "client-secret": os.environ.get(_CLIENT[1], "")}
    if own:
        given = {"client-id": PROXY, "client-secret": random.token_hex(32)}
    new = {**given, "cookie-secret": random.token_hex(16), "password": random.token_hex(8), "own": str(own)}
    if kept.get("own") == new["own"]:
        return kept
    paths.ensure_state()
    write_atomic(paths.profile_keys, json.dumps(new))
    return new


def _secret(name: str, entries: Mapping[str, str]) -> Obj:
    data = {key: b64encode(value.encode()).decode() for key, value in entries.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": AUTH}, "data": data}
