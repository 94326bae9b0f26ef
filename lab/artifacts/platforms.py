"""The platforms that the lab has programs for: Linux and macOS, on amd64 and arm64."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from lab.base.errors import HostError
from lab.base.names import ARCHITECTURES

_SYSTEMS = {"linux": "linux", "darwin": "darwin"}


@dataclass(frozen=True, kw_only=True)
class Platform:
    """An operating system and a processor, in the words of Go and of container images."""

    system: str
    machine: str

    def __str__(self) -> str:
        return f"{self.system}-{self.machine}"


PLATFORMS = tuple(
    Platform(system=system, machine=machine) for system in _SYSTEMS.values() for machine in ("amd64", "arm64")
)


def platform_of(system: str, machine: str) -> Platform:
    """Return the platform that an operating system and a kernel name, as `uname` prints them.

    Raises:
        HostError: upstream publishes no programs for it.
    """
    found = _SYSTEMS.get(system.lower()), ARCHITECTURES.get(machine.lower())
    if found[0] is None or found[1] is None:
        known = ", ".join(map(str, PLATFORMS))
        name = f"{system or 'this system'} on {machine or 'this processor'}"
        raise HostError(
            f"upstream publishes no programs for {name}, only for {known}",
            next="run the lab on Linux or macOS with an amd64 or arm64 processor; on Windows, inside WSL 2",
        )
    return Platform(system=found[0], machine=found[1])


def here() -> Platform:
    """Return the platform of this machine, whose programs the lab runs.

    Raises:
        HostError: upstream publishes no programs for it.
    """
    return platform_of(platform.system(), platform.machine())
