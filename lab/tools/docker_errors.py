"""Turn the engine's errors into errors with a cause and a next command."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from lab.base.errors import CommandError, HostError, LabError
from lab.base.redaction import redact

SOCKET = "unix:///var/run/docker.sock"
"""The endpoint of this machine's own engine."""


class EngineDownError(HostError):
    """No container engine answers."""


class EngineDeniedError(HostError):
    """An engine runs, but this user may not use it."""


class EngineSilentError(HostError):
    """An engine runs but does not answer: it hangs, or the machine is overloaded."""


class EndpointError(EngineDownError):
    """The docker command has no engine address: its context does not exist, or its settings are wrong."""


def explain(error: CommandError) -> LabError:
    """Turn a failure of docker, or of a tool that calls it, into an error with a next command.

    An error of unknown cause is returned unchanged.
    """
    output = f"{error.stdout}\n{error.stderr}"
    for pattern, make in _CAUSES:
        if match := re.search(pattern, output, re.IGNORECASE | re.MULTILINE):
            explained = make(match)
            explained.__cause__ = error
            return explained
    return error


def _denied(_: re.Match[str]) -> LabError:
    return EngineDeniedError(
        "this user may not use the container engine",
        next='sudo usermod -aG docker "$USER", then log in again',
    )


def chosen_by(environ: Mapping[str, str]) -> str:
    """Return how to correct the choice of an engine that is not this machine's own.

    DOCKER_HOST wins over DOCKER_CONTEXT, and that over `docker context use` (docker/cli, `resolveContextName`).
    """
    if host := environ.get("DOCKER_HOST"):
        return f"unset DOCKER_HOST, or correct it; it is {redact(host)}"
    if context := environ.get("DOCKER_CONTEXT"):
        return f"unset DOCKER_CONTEXT, or set it to a name from `docker context ls`; it is {context}"
    return "choose an engine with `docker context use`; `docker context ls` lists them"


def is_own(endpoint: str) -> bool:
    """Return whether an endpoint is the socket of this machine's own engine."""
    return endpoint in {SOCKET, "unix:///run/docker.sock"}


def _down(match: re.Match[str]) -> LabError:
    endpoint = match["at"] or os.environ.get("DOCKER_HOST") or SOCKET
    where = f" at {match['at']}" if match["at"] else ""
    fix = "lab doctor --fix" if is_own(endpoint) else chosen_by(os.environ)
    return EngineDownError(f"no container engine answers{where}", next=fix)


def _nowhere(match: re.Match[str]) -> LabError:
    return EndpointError(
        f"the docker command cannot find its engine: {match['why'].strip()}",
        next=chosen_by(os.environ),
    )


def _disk_full(_: re.Match[str]) -> LabError:
    return HostError(
        "the disk is full: no space left for the container engine's data or for the target folder",
        next="free disk space (`df -h`, `docker system df`, `lab artifacts clean`), then try again",
    )


def _port_taken(match: re.Match[str]) -> LabError:
    return HostError(
        f"port {match['port']} on {match['ip']} is in use",
        next="`lab doctor` shows the program that uses it; or set another port in lab.toml",
    )


def _subnet_taken(_: re.Match[str]) -> LabError:
    return HostError(
        "the network's subnet overlaps with another Docker network",
        next="set another `subnet` under [network] in lab.toml; `docker network ls` shows the others",
    )


def _versions_apart(match: re.Match[str]) -> LabError:
    return HostError(
        "the docker command and the engine have no API version in common:"
        f" the command's {match['client']} is too {match['how']}",
        next="install the same version of both",
    )


def _no_capability(_: re.Match[str]) -> LabError:
    return HostError(
        "the engine cannot start privileged containers, because this machine lacks a capability",
        next="lab doctor --fix",
    )


_CAUSES: tuple[tuple[str, Callable[[re.Match[str]], LabError]], ...] = (
    (r"permission denied while trying to connect|connect: permission denied", _denied),
    (r"cannot connect to the docker daemon(?: at (?P<at>\S+?)\.? )?|error during connect|^unexpected EOF$", _down),
    (r"unable to resolve docker endpoint: (?P<why>.*)", _nowhere),
    (r"^(?P<why>context \"[^\"]*\": context not found)", _nowhere),
    (r"no space left on device", _disk_full),
    (
        r"(?:bind for|listen tcp4?) (?P<ip>[0-9.]+):(?P<port>\d+).{0,20}already (?:allocated|in use)",
        _port_taken,
    ),
    (r"bind (?:host )?port for (?P<ip>[0-9.]+):(?P<port>\d+).{0,60}already in use", _port_taken),
    (r"pool overlaps with other one on this address space", _subnet_taken),
    (r"client version (?P<client>[0-9.]+) is too (?P<how>new|old)", _versions_apart),
    (r"unable to apply caps: operation not permitted", _no_capability),
)
