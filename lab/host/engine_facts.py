"""Read facts of the engine's machine that `docker info` does not report, in a short container or in a running node.

The engine may run in a virtual machine or in other namespaces, so this process's own /proc and /sys say nothing about
it. Neither does a folder: nothing of this machine is mounted into the container.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.tools.docker import Docker

CAP_SYS_RESOURCE = 24  # capabilities(7)
_PROC = (
    "grep -s ^CapBnd: /proc/self/status",
    "grep -s ^MemAvailable: /proc/meminfo",
    'for key in max_user_instances max_user_watches; do echo "$key: $(cat /proc/sys/fs/inotify/$key)"; done',
    # The root of a container is on the disk where the engine stores containers.
    "stat -f -c 'Free: %a %S' /",
)
_SCRIPT = "; ".join(_PROC)


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """Facts of the engine's machine; a missing one is None, or not in `sysctls`."""

    bounding_set: int | None = None
    """The capabilities that a privileged container gets."""
    memory_available_bytes: int | None = None
    disk_free_bytes: int | None = None
    """Free bytes where the engine stores containers."""
    sysctls: Mapping[str, int] = field(default_factory=dict)

    @property
    def may_raise_priority(self) -> bool:
        """Whether a node has CAP_SYS_RESOURCE; unknown counts as yes."""
        return self.bounding_set is None or bool(self.bounding_set >> CAP_SYS_RESOURCE & 1)


def of_image(docker: Docker, image: str) -> EngineFacts:
    """Start a short privileged container, as a node is one, and return what it sees.

    Args:
        docker: the engine.
        image: an image that the engine has, with a shell, such as a node image.

    Raises:
        CommandError: the container does not start.
    """
    return parse(docker.run_once(image, ["-c", _SCRIPT], entrypoint="sh", privileged=True))


def of_node(docker: Docker, node: str) -> EngineFacts:
    """Return what a running node sees.

    Raises:
        CommandError: the command in the node failed.
    """
    return parse(docker.execute(node, ["sh", "-c", _SCRIPT], privileged=True).stdout)


def parse(text: str) -> EngineFacts:
    """Read the script's output; a line that is missing or strange leaves its fact unknown."""
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {key: value.split() for key, value in lines.items()}
    free = [int(number) for number in fields.get("Free", ()) if number.isdigit()]
    memory = next((int(number) for number in fields.get("MemAvailable", ()) if number.isdigit()), None)
    sysctls = {
        f"fs.inotify.{key}": int(fields[key][0])
        for key in ("max_user_instances", "max_user_watches")
        if fields.get(key) and fields[key][0].isdigit()
    }
    return EngineFacts(
        bounding_set=_hexadecimal(fields.get("CapBnd", ())),
        memory_available_bytes=None if memory is None else memory * 1024,
        disk_free_bytes=free[0] * free[1] if len(free) == 2 else None,
        sysctls=sysctls,
    )


def _hexadecimal(fields: Sequence[str]) -> int | None:
    try:
        return int(fields[0], 16)
    except (IndexError, ValueError):
        return None
