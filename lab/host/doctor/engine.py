"""The engine: there, new enough, allowed to do what kind asks of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lab.host import engine as engines
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot
from lab.host.engine import EngineState
from lab.host.sandbox.runtime import NAME, UNDO, Runtime

OLDEST = (20, 10)
"""The oldest engine that the lab was tried with."""
# Without these no container can be a Kubernetes node; the lab's runtime cannot make up for them.
_ESSENTIAL = """
    CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID
    SYS_ADMIN SYS_CHROOT SYS_PTRACE
"""
ESSENTIAL = frozenset(f"CAP_{name}" for name in _ESSENTIAL.split())


def check_engine(scene: HostSnapshot) -> Iterator[Finding]:
    """Is an engine there, and may this user use it?"""
    why = "the clusters' nodes are containers"
    if scene.engine is None:
        fix = engines.command(scene.state, scene.machine)
        can = engines.can_fix(scene.state, scene.machine)
        observed = scene.state.value if scene.state is not EngineState.ANSWERS else "stopped answering"
        yield fail("engine", observed, why, fix=fix, fixable=can)
        return
    found = scene.engine
    told = f"Docker Engine {found.version} ({found.operating_system}), {found.storage_driver}"
    version = re.match(r"(\d+)\.(\d+)", found.version)
    if version and (int(version[1]), int(version[2])) < OLDEST:
        least = ".".join(str(part) for part in OLDEST)
        yield fail("engine", told, f"{why}; kind needs version {least} or newer", fix="upgrade the engine")
    elif found.storage_driver == "vfs":
        yield warn("engine", told, "vfs copies every layer: many times the room and time", fix="use overlay2")
    elif str(found.root_dir).startswith("/var/snap/"):
        fix = "install the distribution's docker.io or Docker's own package in its place"
        yield warn("engine", f"{told}, from a snap", "a snap's engine sees few of the machine's folders", fix=fix)
    else:
        yield ok("engine", told, why)


def check_privileges(scene: HostSnapshot) -> Iterator[Finding]:
    """Do privileged containers start?

    Reads what the engine's process may do at all; only where something is lacking and no runtime of the lab makes up
    for it, a container is tried.
    """
    name, why = "privileges", "kind's nodes are privileged containers"
    if scene.engine is None:
        return
    if scene.engine.rootless:
        rootless = "kind runs on a rootless engine only with cgroup v2 and delegated controllers"
        yield warn(name, "the engine is rootless", rootless, fix="use an engine that runs as root, or see kind's guide")
        return
    if not scene.engine_is_here:
        yield ok(name, "the engine has a machine of its own", why)
        return
    runtime = Runtime(machine=scene.machine, docker=scene.docker)
    lacking = runtime.lacking()
    names = ", ".join(sorted(lacking))
    if not lacking:
        yield ok(name, "the engine has every capability", why)
    elif essential := lacking & ESSENTIAL:
        fix = "start this machine (or the container that it is) with more capabilities"
        yield fail(name, f"lacking: {', '.join(sorted(essential))}", f"{why}, and need these", fix=fix)
    elif scene.engine.default_runtime == NAME and runtime.current:
        yield ok(name, f"lacking: {names}; the lab's runtime makes up for it", why, undo=UNDO)
    elif said := runtime.refusal():
        fix = scene.machine.as_root("lab doctor --fix")
        yield fail(name, f"lacking: {names}; {said}", why, fix=fix, fixable=scene.machine.is_root)
    else:
        yield ok(name, f"lacking: {names}; privileged containers start all the same", why)
