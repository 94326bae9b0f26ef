"""Check the limits of a rootless engine: cgroup version and delegated controllers."""

from __future__ import annotations

from collections.abc import Iterator

from lab.host import advice
from lab.host.doctor.findings import Finding, fail, ok
from lab.host.doctor.snapshot import HostSnapshot

# kind refuses a rootless engine without them (kind, `pkg/cluster/internal/create`).
_NEEDED = ("cpu", "memory", "pids")


def check_rootless(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that a rootless engine can run nodes."""
    name, engine = "rootless", snapshot.engine
    if engine is None or not engine.rootless:
        return
    why = "kind runs on a rootless engine only with cgroup v2 and delegated controllers"
    missing = [controller for controller in _NEEDED if controller not in engine.controllers]
    if engine.cgroup_version != "2":
        fix = (
            "use an engine that runs as root; or add systemd.unified_cgroup_hierarchy=1 to the kernel's command line "
            "and reboot"
        )
        yield fail(name, f"cgroup v{engine.cgroup_version or '?'}", why, fix=fix)
    elif missing:
        yield fail(name, f"not delegated: {', '.join(missing)}", why, fix=advice.delegate(snapshot.machine))
    else:
        yield ok(name, "cgroup v2 with the controllers that kind needs", why)
