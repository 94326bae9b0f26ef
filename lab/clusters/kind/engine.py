"""Detect limits of the container engine's machine that change how nodes are configured."""

from __future__ import annotations

from pathlib import Path

from lab.clusters.kind.config import EngineLimits
from lab.tools.docker import Docker

_CAP_SYS_RESOURCE = 24  # capabilities(7)
_STATUS = Path("/proc/self/status")


def engine(docker: Docker, status: Path = _STATUS) -> EngineLimits:
    """Return the limits of the engine's machine; a machine other than this one is assumed to have none."""
    return EngineLimits(
        cgroup_v1=docker.cgroup_version() == "1", may_raise_priority=_bounding_set_has(status, _CAP_SYS_RESOURCE)
    )


def _bounding_set_has(status: Path, capability: int) -> bool:
    if not status.exists():
        return True
    for line in status.read_text(encoding="ascii").splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> capability & 1)
    return True
