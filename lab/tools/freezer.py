"""Thaw a container whose processes are frozen in cgroup v1.

A node that is stopped while a pod in it is being started can leave a process in a frozen cgroup. Nothing can end
a frozen process, so the engine waits for an exit that never comes: "did not receive an exit event". Thawing the
container's cgroups ends the wait (kernel documentation, cgroup-v1/freezer-subsystem).
"""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/sys/fs/cgroup/freezer")


def thaw(container_id: str, *, root: Path = _ROOT) -> bool:
    """Thaw every frozen cgroup of a container; return whether there was one.

    It does nothing where there is no cgroup v1 or where this user may not write to it.
    """
    thawed = False
    # cgroupfs names the container's cgroup by its id, systemd docker-<id>.scope.
    for top in root.rglob(f"*{container_id}*"):
        # Parents first: a cgroup stays frozen while its parent is.
        for state in sorted(top.rglob("freezer.state"), key=lambda file: len(file.parts)):
            thawed |= _thaw(state)
    return thawed


def _thaw(state: Path) -> bool:
    try:
        if state.read_text(encoding="ascii").strip() == "THAWED":
            return False
        state.write_text("THAWED", encoding="ascii")
    except OSError:  # deleted meanwhile, or not writable for this user
        return False
    return True
