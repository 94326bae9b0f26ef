"""Check the Docker Engine: running, new enough, in reach, and able to start privileged containers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lab.base.errors import CommandError, LabError
from lab.host import advice
from lab.host import engine as engines
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot
from lab.host.engine import EngineState
from lab.host.products import EngineOrigin, Product, Site
from lab.host.sandbox.runtime import NAME, UNDO, Runtime
from lab.tools.docker import Engine
from lab.tools.docker_errors import chosen_by

OLDEST = (20, 10)
"""The oldest engine that the lab was tested with."""
# A Kubernetes node needs these capabilities; the lab's runtime cannot replace them.
_ESSENTIAL = """
    CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID
    SYS_ADMIN SYS_CHROOT SYS_PTRACE
"""
ESSENTIAL = frozenset(f"CAP_{name}" for name in _ESSENTIAL.split())
_WHY = "the clusters' nodes are containers"


def check_engine(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that an engine runs, that this user may use it, that the lab works with it, and that it is new enough."""
    if snapshot.engine is None:
        fix = engines.command(snapshot.state, snapshot.machine)
        can = engines.can_fix(snapshot.state, snapshot.machine)
        observed = snapshot.state.value if snapshot.state is not EngineState.ANSWERS else "stopped answering"
        yield fail("engine", observed, _WHY, fix=fix, fixable=can)
        return
    refused = _refused(snapshot)
    if refused is not None:
        yield refused
        return
    engine = snapshot.engine
    observed = describe(engine, snapshot.origin)
    version = re.match(r"(\d+)\.(\d+)", engine.version)
    if version and (int(version[1]), int(version[2])) < OLDEST:
        least = ".".join(str(part) for part in OLDEST)
        yield fail("engine", observed, f"{_WHY}; kind needs version {least} or newer", fix="upgrade the engine")
    elif snapshot.origin.site is Site.UNKNOWN:
        why = "the lab uses published ports on 127.0.0.1, and nothing shows that this engine publishes them here"
        fix = (
            "run the lab on the engine's machine; in a container, share the host's network and UTS namespace "
            "(`--network=host --uts=host`)"
        )
        yield warn("engine", observed, why, fix=fix)
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
        yield ok("engine", observed, _WHY)


def describe(engine: Engine, origin: EngineOrigin) -> str:
    """Return the engine's product, version, place and image store as text."""
    store = "containerd's image store" if engine.containerd_store else "the classic image store"
    system = "" if engine.operating_system in {origin.product.value, ""} else f" ({engine.operating_system})"
    return f"{origin.product.value} {engine.version}{system}, {origin.site.value}; {engine.storage_driver}, {store}"


def _refused(snapshot: HostSnapshot) -> Finding | None:
    """Return the finding for an engine that the lab does not work with, else None."""
    engine, origin = snapshot.engine, snapshot.origin
    if engine is None:
        return None
    if origin.product is Product.PODMAN:
        why = (
            "the lab was not made for Podman: nodes keep fixed addresses with `docker network connect --ip`, "
            "and images are built with `docker commit` and the engine's classic builder"
        )
        return fail("engine", f"Podman {engine.version} answers as Docker", why, fix=advice.PODMAN)
    if origin.site is Site.REMOTE:
        why = "the API servers and pages are published on that computer's 127.0.0.1, which this machine cannot reach"
        fix = f"log in to that computer and run the lab there; or {chosen_by(snapshot.machine.environ)}"
        return fail("engine", f"{describe(engine, origin)}, at {origin.address}", why, fix=fix)
    return None


def check_privileges(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that privileged containers start.

    For this machine's Docker service: reads the capabilities of the engine's process, and starts a test container only
    if a capability is missing and the lab's runtime is not installed. For other engines: see `HostSnapshot.facts`.
    """
    name, why = "privileges", "kind's nodes are privileged containers"
    if snapshot.engine is None or snapshot.engine.rootless or _refused(snapshot) is not None:
        return
    if not snapshot.engine_is_service_here:
        yield _elsewhere(snapshot, name, why)
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


def _elsewhere(snapshot: HostSnapshot, name: str, why: str) -> Finding:
    if snapshot.refusal is not None:
        fix = "give the engine's machine the missing capability, or use another engine"
        return fail(name, f"a privileged container does not start: {_reason(snapshot.refusal)}", why, fix=fix)
    if snapshot.facts is not None:
        return ok(name, "a privileged container starts", why)
    return ok(name, "not tried: the engine has no node image yet", why)


def _reason(error: LabError) -> str:
    lines = error.stderr.strip().splitlines() if isinstance(error, CommandError) else []
    return lines[0] if lines else error.what
