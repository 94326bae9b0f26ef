"""Find the lab and the clusters that a command line names, and check that they can be used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.base.errors import ClusterError, ForeignStateError, LabError, UsageError
from lab.cli.output import warn

if TYPE_CHECKING:
    from lab.base.names import Cluster
    from lab.lab import Lab


def lab_of(file: Path | None, **overrides: str | bool) -> Lab:
    """Return the lab that a lab.toml describes, with the profile that it was brought up with.

    `overrides` are keys that the command line sets. Raises what `_without_profile` does.
    """
    lab = _without_profile(file, **overrides)
    if not lab.paths.profile.exists():
        return lab
    from lab.initialize import lab_profile

    try:
        return lab_profile.recorded(lab)
    except UsageError as error:  # `lab down` and the like work without it
        warn(f"{error.where} {error.what}; the profile's extras are ignored; next: {error.next}")
        return lab


def _without_profile(file: Path | None, **overrides: str | bool) -> Lab:
    """Return the lab that a lab.toml describes.

    Raises:
        ForeignStateError: another user owns the state folder. Its next command takes the folder over only if no lab
            of this name is up: the folder has the keys of its clusters.
    """
    from lab import config
    from lab.lab import Lab

    if file is not None:
        os.environ["LAB_CONFIG"] = str(file.absolute())  # for the `lab` commands that this one starts
    spec = config.load(file or config.find(), overrides=overrides)
    try:
        lab = Lab.of(spec)
    except ForeignStateError as error:
        if not _may_be_up(spec.name):
            error.next = f"{error.next}; or, as no lab {spec.name} is up: {error.take_over}"
        raise
    return lab


def lab_to_be(file: Path | None, *, profile: str | None, **overrides: str | bool) -> Lab:
    """Return the lab that a lab.toml describes for `lab up`, with the profile that is named, else with its own.

    Raises:
        UsageError: the lab cannot have this profile.
    """
    lab = _without_profile(file, **overrides)
    if profile is None and not lab.paths.profile.exists():
        return lab
    from lab.initialize import lab_profile

    return lab_profile.recorded(lab, fresh=True) if profile is None else lab_profile.chosen(lab, profile)


def _may_be_up(name: str) -> bool:
    """Return whether a lab of this name is up, or whether that is unknown."""
    from lab.clusters import provider

    try:
        return provider().has_lab(name)
    except LabError:
        return True


def own_lab(file: Path | None) -> Lab:
    """Return the lab that a lab.toml describes, whether it is up or not.

    Raises:
        ClusterError: clusters of this name belong to another lab.
    """
    lab = lab_of(file)
    _refuse_foreign(lab)
    return lab


def running_lab(file: Path | None) -> Lab:
    """Return the lab that a lab.toml describes, ready for a command that uses its clusters."""
    return need_nodes(lab_of(file))


def need_nodes(lab: Lab) -> Lab:
    """Return the lab if it is up and all nodes run on its network, so that no command waits for one that cannot answer.

    Raises:
        ClusterError: clusters of this name belong to another lab.
        LabError: the lab is not up, or a node exists and does not run, or is off the lab's network.
    """
    from lab.clusters import NodeStatus, provider

    nodes = provider().look(lab)
    if any(node.status is not NodeStatus.RUNNING for node in nodes.values()):
        _refuse_foreign(lab)
    for name, node in nodes.items():
        if node.status not in {NodeStatus.RUNNING, NodeStatus.ABSENT}:
            raise LabError(f"the node {node.name} is {node.status.value}", where=name, next="lab up")
    if not lab.paths.kubeconfig.exists():
        what = f"is not up (there is no {lab.paths.kubeconfig})"
        raise LabError(f"the lab {lab.spec.name} {what}", next="lab up")
    return lab


def _refuse_foreign(lab: Lab) -> None:
    from lab.clusters import provider

    if theirs := provider().foreign(lab):
        raise ClusterError(theirs, next="set another `name` in lab.toml")


def cluster_of(lab: Lab, name: str) -> Cluster:
    """Return a cluster by its name, or by its role: "east" or "west".

    Raises:
        UsageError: the lab has no such cluster.
    """
    roles = {"east": lab.east, "west": lab.west}
    if name not in lab.clusters and name not in roles:
        raise UsageError(f"unknown cluster {name!r}", next=f"one of: {', '.join(lab.clusters)}")
    return lab.clusters.get(name) or roles[name]


@contextmanager
def locked(lab: Lab, command: str, *, wait_s: float = 0, alone: bool = False) -> Iterator[None]:
    """Hold the lab's lock while the block runs; `alone` also refuses a command in a console of the stage."""
    from lab.lifecycle import lock

    with lock.held(lab.paths, command, wait_s=wait_s, alone=alone):
        yield
