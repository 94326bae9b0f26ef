"""Check memory, disk space and the processor architecture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from lab.base.names import ARCHITECTURES
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot

GIB = 2**30
# A cluster uses 0.9 to 1.1 GiB when everything in it is ready, and more while it starts.
CLUSTER_GIB = 1.4
REST_GIB = 0.5
# Linking Kubernetes and Istio's control plane uses about 2 GiB for each program that is linked at the same time.
BUILD_GIB = 4.0
# Go's caches, the built artifacts and the root file systems; and the engine's images with the nodes' own data.
CACHE_GIB = {True: 1.0, False: 14.0}
ENGINE_GIB = {True: 4.0, False: 8.0}


def check_architecture(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that the lab supports this processor architecture."""
    name, why = "architecture", "each image and binary is for one architecture"
    machine = snapshot.machine.architecture
    architecture = ARCHITECTURES.get(machine.lower())
    if architecture is None:
        yield fail(name, f"{machine}: neither amd64 nor arm64", why, fix="use a machine with such a processor")
    elif architecture == "arm64" and snapshot.builds:
        fix = 'set source = "upstream" under [artifacts] in lab.toml where registries are reachable'
        yield warn(name, f"{machine} (arm64): building from packages was tested on amd64 only", why, fix=fix)
    else:
        yield ok(name, f"{machine} ({architecture})", why)


def check_memory(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check that there is enough memory for the clusters that do not run yet."""
    name, why = "memory", f"each cluster takes about {CLUSTER_GIB:g} GiB"
    running = sum(node.running for node in snapshot.own_nodes)
    left = max(len(snapshot.spec.clusters) - running, 0)
    needed = left * CLUSTER_GIB + REST_GIB if left else 0.0
    total = (snapshot.engine.memory_bytes if snapshot.engine else 0) / GIB
    everything = len(snapshot.spec.clusters) * CLUSTER_GIB + REST_GIB
    if total and total < everything:
        fix = "give the engine more (Docker Desktop: Settings, Resources), or take clusters out of lab.toml"
        yield fail(name, f"the engine has {total:.1f} GiB in total, the lab needs {everything:.1f} GiB", why, fix=fix)
        return
    if snapshot.engine is not None and not snapshot.engine_is_here:
        yield ok(name, f"the engine has {total:.1f} GiB", why)
        return
    free = snapshot.probes.memory_available_bytes() / GIB
    observed = f"{free:.1f} GiB available, {needed:.1f} GiB needed"
    if free < needed:
        yield fail(name, observed, why, fix="stop some programs; `ps aux --sort -rss | head` shows the largest")
    elif left and snapshot.builds and free < BUILD_GIB:
        yield warn(
            name,
            observed,
            "building the images needs more memory than running them",
            fix="stop some programs during the build",
        )
    else:
        yield ok(name, observed, why)


def check_disk(snapshot: HostSnapshot) -> Iterator[Finding]:
    """Check the free space of the disks with the lab's cache and the engine's data."""
    why = "images, build caches and the nodes' data"
    needs = {snapshot.paths.cache: CACHE_GIB[not snapshot.builds]}
    if snapshot.engine is not None and snapshot.engine_is_here and not snapshot.own_nodes:
        needs[snapshot.engine.root_dir] = ENGINE_GIB[not snapshot.builds]
    disks: dict[int, list[Path]] = {}
    free: dict[int, float] = {}
    for folder in needs:
        device, free_bytes = snapshot.probes.disk(folder)
        disks.setdefault(device, []).append(folder)
        free[device] = free_bytes / GIB
    for device, folders in disks.items():
        needed = sum(needs[folder] for folder in folders)
        name = f"disk of {' and '.join(str(folder) for folder in folders)}"
        observed = f"{math.floor(free[device])} GiB free, {needed:.0f} GiB needed"
        if free[device] >= needed:
            yield ok(name, observed, why)
            continue
        # An earlier run may have built a part already, so less than the full size can be enough.
        say = fail if free[device] < needed / 3 else warn
        yield say(name, observed, why, fix="free some disk space, or set LAB_CACHE_DIR to a folder on another disk")
