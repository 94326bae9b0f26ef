"""Check memory, processors, disk space and the processor architecture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from lab.base.names import ARCHITECTURES
from lab.host import advice
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot
from lab.host.products import Product, Site

GIB = 2**30
_DISK = "images, build caches and the nodes' data"
# A cluster uses 0.9 to 1.1 GiB when everything in it is ready, and more while it starts.
CLUSTER_GIB = 1.4
REST_GIB = 0.5
# Linking Kubernetes and Istio's control plane uses about 2 GiB for each program that is linked at the same time.
BUILD_GIB = 4.0
# What the lab keeps on the disk with its cache, and on the engine's disk: images, and the nodes' own data. Measured:
# 4 GB in all, where the nodes share the node image's content. Upstream's is below /var, which kind copies to each node.
CACHE_GIB, CACHE_COMPILED_GIB = 1.0, 14.0
ENGINE_IMAGES_GIB, ENGINE_GIB, ENGINE_BUILT_GIB = 4.0, 7.0, 8.0
_CPUS = 2


def check_architecture(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that the lab supports this processor architecture, and that the engine has the same one."""
    name, why = "architecture", "each image and binary is for one architecture"
    machine = snapshot.machine.architecture
    architecture = ARCHITECTURES.get(machine.lower())
    engine = snapshot.engine.architecture if snapshot.engine is not None else machine
    of_engine = ARCHITECTURES.get(engine.lower(), engine)
    if architecture is None:
        yield fail(name, f"{machine}: neither amd64 nor arm64", why, fix="use a machine with such a processor")
    elif of_engine not in {architecture, ""}:
        observed = f"{architecture} here, {of_engine} in the engine"
        # A program for another processor would be compiled for the images.
        say = fail if snapshot.needs.go else warn
        yield say(name, observed, "one of them is emulated, which is several times slower", fix=_same(snapshot))
    elif architecture == "arm64" and snapshot.needs.from_packages:
        fix = 'set source = "upstream" under [artifacts] in lab.toml where registries are reachable'
        yield warn(name, f"{machine} (arm64): building from packages was tested on amd64 only", why, fix=fix)
    else:
        yield ok(name, f"{machine} ({architecture}), in the engine too" if snapshot.engine else machine, why)


def _same(snapshot: HostSnapshot) -> str:
    """Return how to let this program and the engine use the same processor architecture."""
    if snapshot.machine.system == "Darwin" and snapshot.machine.architecture == "x86_64":
        return "run the lab with a Python for arm64: this one is for Intel and runs under Rosetta"
    recreate = {
        Product.COLIMA: "colima delete, then `colima start` without --arch",
        Product.LIMA: "limactl delete, then `limactl start` without --arch",
    }
    return recreate.get(snapshot.origin.product, "use an engine of this machine's own architecture")


def check_memory(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that there is enough memory for the clusters that do not run yet."""
    name, why = "memory", f"each cluster takes about {CLUSTER_GIB:g} GiB"
    running = sum(node.running for node in snapshot.own_nodes)
    left = max(len(snapshot.spec.clusters) - running, 0)
    needed = left * CLUSTER_GIB + REST_GIB if left else 0.0
    engine = snapshot.engine
    total = (engine.memory_bytes if engine else 0) / GIB
    everything = len(snapshot.spec.clusters) * CLUSTER_GIB + REST_GIB
    if engine is not None and 0 < total < everything:
        observed = f"the engine has {total:.1f} GiB in total, the lab needs {everything:.1f} GiB"
        yield fail(name, observed, why, fix=advice.more_memory(snapshot.origin, engine, everything))
        return
    available = snapshot.facts.memory_available_bytes if snapshot.facts is not None else None
    if engine is not None and not snapshot.engine_is_here:
        if available is None:
            yield ok(name, f"the engine has {total:.1f} GiB", why)
        elif available / GIB < needed:
            observed = f"{available / GIB:.1f} of the engine's {total:.1f} GiB available, {needed:.1f} GiB needed"
            fix = f"stop other containers; or {advice.more_memory(snapshot.origin, engine, total + needed)}"
            yield fail(name, observed, why, fix=fix)
        else:
            yield ok(name, f"{available / GIB:.1f} of the engine's {total:.1f} GiB available", why)
        return
    free = snapshot.probes.memory_available_bytes() / GIB
    observed = f"{free:.1f} GiB available, {needed:.1f} GiB needed"
    if free < needed:
        yield fail(name, observed, why, fix="stop some programs; `ps aux --sort -rss | head` shows the largest")
    elif left and snapshot.needs.go and free < BUILD_GIB:
        yield warn(
            name,
            observed,
            "building the images needs more memory than running them",
            fix="stop some programs during the build",
        )
    else:
        yield ok(name, observed, why)


def check_build_memory(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that there is enough memory for compilers, where no cluster will be created."""
    if snapshot.needs.go:
        free = snapshot.probes.memory_available_bytes() / GIB
        observed = f"{free:.1f} GiB available, {BUILD_GIB:.1f} GiB needed"
        why = "linking Kubernetes and Istio takes about 2 GiB for each program"
        if free < BUILD_GIB:
            yield warn("memory", observed, why, fix="stop some programs during the build")
        else:
            yield ok("memory", observed, why)


def check_processors(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that the engine has two processors, as two clusters that start at the same time need."""
    engine = snapshot.engine
    if engine is None or not engine.cpus:
        return
    name, why = "processors", "two clusters start at the same time; with one processor, waits time out"
    if engine.cpus < _CPUS:
        yield warn(name, f"the engine has {engine.cpus}", why, fix=advice.more_cpus(snapshot.origin, engine))
    else:
        yield ok(name, f"the engine has {engine.cpus}", why)


def check_disk(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check the free space of the disks with the lab's cache and the engine's data."""
    yield from _disks(snapshot, ENGINE_GIB)


def check_artifact_disk(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check the free space of the same disks, where no cluster will be created."""
    yield from _disks(snapshot, ENGINE_IMAGES_GIB)


def _disks(snapshot: HostSnapshot, pulled_gib: float) -> Iterator[Finding]:
    needs = {snapshot.paths.cache: CACHE_COMPILED_GIB if snapshot.needs.go else CACHE_GIB}
    for_engine = ENGINE_BUILT_GIB if snapshot.needs.from_packages else pulled_gib
    if snapshot.engine is not None and not snapshot.own_nodes and snapshot.origin.site is not Site.REMOTE:
        if snapshot.facts is not None:
            yield from _engines_disk(snapshot, for_engine)
        elif snapshot.engine_is_here:
            needs[snapshot.engine.root_dir] = for_engine
        else:
            yield ok("engine's disk", "not known before the engine has a node image", _DISK)
    disks: dict[int, list[Path]] = {}
    free: dict[int, float] = {}
    for folder in needs:
        device, free_bytes = snapshot.probes.disk(folder)
        disks.setdefault(device, []).append(folder)
        free[device] = free_bytes / GIB
    for device, folders in disks.items():
        name = f"disk of {' and '.join(str(folder) for folder in folders)}"
        fix = "free some disk space, or set LAB_CACHE_DIR to a folder on another disk"
        yield _room(name, free[device], sum(needs[folder] for folder in folders), fix)


def _engines_disk(snapshot: HostSnapshot, needed: float) -> Iterator[Finding]:
    free = snapshot.facts.disk_free_bytes if snapshot.facts is not None else None
    if free is not None:
        yield _room("engine's disk", free / GIB, needed, advice.more_disk(snapshot.origin, needed))


def _room(name: str, free_gib: float, needed_gib: float, fix: str) -> Finding:
    observed = f"{math.floor(free_gib)} GiB free, {needed_gib:.0f} GiB needed"
    if free_gib >= needed_gib:
        return ok(name, observed, _DISK)
    # An earlier run may have built a part already, so less than the full size can be enough.
    say = fail if free_gib < needed_gib / 3 else warn
    return say(name, observed, _DISK, fix=fix)
