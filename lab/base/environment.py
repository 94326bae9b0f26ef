"""Build the environment of the lab's own commands from the user's environment. No other module does.

The user's shell may hold settings for other work: another platform for Docker, another provider for kind, another
Go. In the lab's own commands they would break the lab, or put a wrong build into its cache under a good key.

| variables | in the lab's own commands |
| --- | --- |
| the engine's address, download sources, proxies, PATH, HOME | the user's |
| settings that change a tool's behaviour or its builds (`_IGNORED`) | left out |
| kubeconfig, locale | the lab's (`_PINNED`) |
| NO_PROXY | the user's, and this machine's own and private addresses |

`go_build` and `PIP` are for one tool each. The user's own programs, which `lab dev process`, `lab load` and `lab shell`
start, inherit everything (`inherit=True` and `foreground` in `lab.base.process`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from fnmatch import fnmatchcase

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
# Patterns; one that starts with `!` keeps variables that the patterns before it leave out.
_IGNORED = (
    *("DOCKER_DEFAULT_PLATFORM", "DOCKER_CONTENT_TRUST*", "DOCKER_BUILDKIT", "BUILDKIT_*", "BUILDX_*"),
    *("KIND_*", "KUBECTL_*", "HELM_*", "ISTIOCTL_*", "ISTIOCONFIG", "LINKERD*"),
    *("GO111MODULE", "GOFLAGS", "GOROOT", "GOWORK", "GOTOOLCHAIN", "GOEXPERIMENT", "GOFIPS140", "CGO_*"),
    *("GOOS", "GOARCH", "GOAMD64", "GOARM", "GOARM64", "GO386", "GOMIPS*", "GOPPC64", "GORISCV64", "GOWASM"),
    # pip keeps its settings for package sources and for access to the index.
    *("PIP_*", "!PIP_INDEX_URL", "!PIP_EXTRA_INDEX_URL", "!PIP_FIND_LINKS", "!PIP_NO_INDEX", "!PIP_TRUSTED_HOST"),
    *("!PIP_CERT", "!PIP_CLIENT_CERT", "!PIP_PROXY", "!PIP_KEYRING_PROVIDER", "!PIP_CONFIG_FILE", "!PIP_*TIMEOUT"),
    *("!PIP_RETRIES", "!PIP_CACHE_DIR", "!PIP_NO_CACHE_DIR", "!PIP_DISABLE_PIP_VERSION_CHECK"),
    *("PYTHON*", "!PYTHON_KEYRING_BACKEND", "!PYTHONUNBUFFERED", "!PYTHONDONTWRITEBYTECODE"),
    *("BASH_ENV", "CDPATH", "POSIXLY_CORRECT", "SOURCE_DATE_EPOCH", "TAR_OPTIONS", "XZ_OPT", "XZ_DEFAULTS"),
    "DEBOOTSTRAP_DIR",
)
_SECRET = ("*PASS*", "*TOKEN*", "*SECRET*", "*AUTH*", "*KEY*")
# The lab names a kubeconfig in each command. KUBERC: kubectl's file with the user's own defaults.
_PINNED = {"KUBECONFIG": os.devnull, "KUBERC": "off", "LC_ALL": "C.UTF-8"}

PIP = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
"""Override pip's configuration files: `--target` and `--user` exclude each other."""


def of_child(more: Mapping[str, str] | None = None, *, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the whole environment of one of the lab's own commands.

    Args:
        more: variables of the command itself; they win.
        environ: the user's environment; by default this process's.
    """
    given = os.environ if environ is None else environ
    kept = {name: value for name, value in given.items() if not _is_ignored(name)}
    direct = _no_proxy(given, (*LOOPBACK, *_PRIVATE))
    return {**kept, **_PINNED, "NO_PROXY": direct, "no_proxy": direct, **(more or {})}


def ignored(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that the lab's own commands do not get, as NAME=value; for a secret only the name."""
    names = sorted(name for name, value in environ.items() if value and _is_ignored(name))
    return [name if _matches(name, _SECRET) else f"{name}={environ[name]}" for name in names]


def keep_loopback_direct(environ: MutableMapping[str, str] = os.environ) -> None:
    """Exclude this machine's own addresses from proxies; the program calls this once, when it starts."""
    environ["NO_PROXY"] = environ["no_proxy"] = _no_proxy(environ, LOOPBACK)


def go_build(architecture: str) -> Mapping[str, str]:
    """Return the Go settings with which a recipe builds the same program on every machine.

    They override `go env -w`. The sources of modules (GOPROXY and similar) stay the user's own.

    Args:
        architecture: Go's name of the processor to build for.
    """
    return {
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
        "GO111MODULE": "on",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOOS": "linux",
        "GOARCH": architecture,
        "GOAMD64": "v1",
        "GOARM64": "v8.0",
        "CGO_ENABLED": "0",
    }


def _no_proxy(environ: Mapping[str, str], more: tuple[str, ...]) -> str:
    # Some programs prefer the one variable, some the other: both get all addresses.
    given = [part.strip() for name in ("no_proxy", "NO_PROXY") for part in environ.get(name, "").split(",")]
    return ",".join(dict.fromkeys([*filter(None, given), *more]))


def _is_ignored(name: str) -> bool:
    return _matches(name, _IGNORED)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    matched = False
    for pattern in patterns:
        if fnmatchcase(name, pattern.removeprefix("!")):
            matched = not pattern.startswith("!")
    return matched


_umask_guard = threading.Lock()
_umask_users = 0
_umask_before = 0


@contextmanager
def usual_umask() -> Iterator[None]:
    """Create files in the block with the umask 022, whatever the user's umask is.

    An image whose files only their owner may read does not run under another user. The umask belongs to the whole
    process: the first block sets it and the last one restores it. So secrets are written with explicit modes.
    """
    global _umask_users, _umask_before  # noqa: PLW0603 - global like the umask
    with _umask_guard:
        if _umask_users == 0:
            _umask_before = os.umask(0o022)
        _umask_users += 1
    try:
        yield
    finally:
        with _umask_guard:
            _umask_users -= 1
            if _umask_users == 0:
                os.umask(_umask_before)
