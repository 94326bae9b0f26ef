"""Room: memory, disk, and the kind of processor."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from lab.base.names import ARCHITECTURES
from lab.host.doctor.findings import Finding, fail, ok, warn
from lab.host.doctor.snapshot import HostSnapshot

GIB = 2**30
# A cluster of the lab takes 0.9 to 1.1 GiB once everything in it is ready, and more while it starts.
CLUSTER_GIB = 1.4
REST_GIB = 0.5
# Linking Kubernetes and Istio's control plane takes about 2 GiB for each that is linked at once.
BUILD_GIB = 4.0
# Go's caches, the built artifacts and the root file systems; and the engine's images with the nodes' own data.
CACHE_GIB = {True: 1.0, False: 14.0}
ENGINE_GIB = {True: 4.0, False: 8.0}


def check_architecture(scene: HostSnapshot) -> Iterator[Finding]:
    """Is there everything for this processor?"""
    name, why = "architecture", "every image and binary is made for one"
    machine = scene.machine.architecture
    found = ARCHITECTURES.get(machine.lower())
    if found is None:
        yield fail(name, f"{machine}: neither amd64 nor arm64", why, fix="use a machine with such a processor")
    elif found == "arm64" and scene.spec.artifacts.source != "upstream":
        fix = 'set source = "upstream" under [artifacts] in lab.toml where registries are in reach'
        yield warn(name, f"{machine} (arm64): building from packages was tried on amd64 only", why, fix=fix)
    else:
        yield ok(name, f"{machine} ({found})", why)


def check_memory(scene: HostSnapshot) -> Iterator[Finding]:
    """Is there memory for the clusters that do not run yet?"""
    name, why = "memory", f"each cluster takes about {CLUSTER_GIB:g} GiB"
    running = sum(node.running for node in scene.own_nodes)
    left = max(len(scene.spec.clusters) - running, 0)
    needed = left * CLUSTER_GIB + REST_GIB if left else 0.0
    total = (scene.engine.memory_bytes if scene.engine else 0) / GIB
    everything = len(scene.spec.clusters) * CLUSTER_GIB + REST_GIB
    if total and total < everything:
        fix = "give the engine more (Docker Desktop: Settings, Resources), or take clusters out of lab.toml"
        yield fail(name, f"the engine has {total:.1f} GiB in all, {everything:.1f} GiB are needed", why, fix=fix)
        return
    if scene.engine is not None and not scene.engine_is_here:
        yield ok(name, f"the engine has {total:.1f} GiB", why)
        return
    free = scene.senses.memory_available_bytes() / GIB
    told = f"{free:.1f} GiB available, {needed:.1f} GiB needed"
    if free < needed:
        yield fail(name, told, why, fix="end some programs; `ps aux --sort -rss | head` shows the largest")
    elif left and not scene.artifacts_ready and free < BUILD_GIB:
        yield warn(name, told, "building the images takes more than running them", fix="end some programs meanwhile")
    else:
        yield ok(name, told, why)


def check_disk(scene: HostSnapshot) -> Iterator[Finding]:
    """Is there room where the lab and the engine keep things? Needs on the same disk add up."""
    why = "images, build caches and the nodes' data"
    needs = {scene.paths.cache: CACHE_GIB[scene.artifacts_ready]}
    if scene.engine is not None and scene.engine_is_here and not scene.own_nodes:
        needs[scene.engine.root_dir] = ENGINE_GIB[scene.artifacts_ready]
    disks: dict[int, list[Path]] = {}
    free: dict[int, float] = {}
    for folder in needs:
        device, free_bytes = scene.senses.disk(folder)
        disks.setdefault(device, []).append(folder)
        free[device] = free_bytes / GIB
    for device, folders in disks.items():
        needed = sum(needs[folder] for folder in folders)
        name = f"disk of {' and '.join(str(folder) for folder in folders)}"
        told = f"{math.floor(free[device])} GiB free, {needed:.0f} GiB needed"
        if free[device] >= needed:
            yield ok(name, told, why)
            continue
        # What an earlier run has built is in the cache already; so less than the whole may do.
        say = fail if free[device] < needed / 3 else warn
        yield say(name, told, why, fix="free some room, or set LAB_CACHE_DIR to a folder on another disk")
