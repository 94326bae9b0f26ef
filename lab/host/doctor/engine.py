"""Check the Docker Engine: running, new enough, and able to start privileged containers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lab.host import engine as engines
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot
from lab.host.engine import EngineState
from lab.host.sandbox.runtime import NAME, UNDO, Runtime

OLDEST = (20, 10)
"""The oldest engine that the lab was tested with."""
# A Kubernetes node needs these capabilities; the lab's runtime cannot replace them.
_ESSENTIAL = """
    CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID
    SYS_ADMIN SYS_CHROOT SYS_PTRACE
"""
ESSENTIAL = frozenset(f"CAP_{name}" for name in _ESSENTIAL.split())


def check_engine(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that an engine runs, that this user may use it, and that it is new enough."""
    why = "the clusters' nodes are containers"
    if snapshot.engine is None:
        fix = engines.command(snapshot.state, snapshot.machine)
        can = engines.can_fix(snapshot.state, snapshot.machine)
        observed = snapshot.state.value if snapshot.state is not EngineState.ANSWERS else "stopped answering"
        yield fail("engine", observed, why, fix=fix, fixable=can)
        return
    engine = snapshot.engine
    observed = f"Docker Engine {engine.version} ({engine.operating_system}), {engine.storage_driver}"
    version = re.match(r"(\d+)\.(\d+)", engine.version)
    if version and (int(version[1]), int(version[2])) < OLDEST:
        least = ".".join(str(part) for part in OLDEST)
        yield fail("engine", observed, f"{why}; kind needs version {least} or newer", fix="upgrade the engine")
    elif engine.storage_driver == "vfs":
        yield warn(
            "engine",
            observed,
            "vfs copies every layer, which takes many times the disk space and time",
            fix="use overlay2",
        )
    elif str(engine.root_dir).startswith("/var/snap/"):
        fix = "replace it with the distribution's docker.io or Docker's own package"
        yield warn(
            "engine",
            f"{observed}, from a snap",
            "an engine from a snap can read only some of the machine's folders",
            fix=fix,
        )
    else:
        yield ok("engine", observed, why)


def check_privileges(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that privileged containers start.

    Reads the capabilities of the engine's process. Starts a test container only if a capability is missing and the
    lab's runtime is not installed.
    """
    name, why = "privileges", "kind's nodes are privileged containers"
    if snapshot.engine is None:
        return
    if snapshot.engine.rootless:
        rootless = "kind runs on a rootless engine only with cgroup v2 and delegated controllers"
        yield warn(name, "the engine is rootless", rootless, fix="use an engine that runs as root, or see kind's guide")
        return
    if not snapshot.engine_is_here:
        yield ok(name, "the engine runs in its own virtual machine or on another computer", why)
        return
    runtime = Runtime(machine=snapshot.machine, docker=snapshot.docker)
    lacking = runtime.lacking()
    names = ", ".join(sorted(lacking))
    if not lacking:
        yield ok(name, "the engine has every capability", why)
    elif essential := lacking & ESSENTIAL:
        fix = "start this machine (or the container that it is) with more capabilities"
        yield fail(name, f"lacking: {', '.join(sorted(essential))}", f"{why} and need these capabilities", fix=fix)
    elif snapshot.engine.default_runtime == NAME and runtime.current:
        yield ok(name, f"lacking: {names}; the lab's runtime starts privileged containers without it", why, undo=UNDO)
    elif refusal := runtime.refusal():
        fix = snapshot.machine.as_root("lab doctor --fix")
        yield fail(name, f"lacking: {names}; {refusal}", why, fix=fix, fixable=snapshot.machine.is_root)
    else:
        yield ok(name, f"lacking: {names}; privileged containers start all the same", why)
