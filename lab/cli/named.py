"""Find the lab and the clusters that a command line names, and check that they can be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.base.errors import LabError, UsageError

if TYPE_CHECKING:
    from lab.base.names import Cluster
    from lab.lab import Lab


def lab_of(file: Path | None, **overrides: str | bool) -> Lab:
    """Return the lab that a lab.toml describes; `overrides` are keys that the command line sets."""
    from lab import config
    from lab.lab import Lab

    return Lab.of(config.load(file or config.find(), overrides=overrides))


def running_lab(file: Path | None) -> Lab:
    """Return the lab that a lab.toml describes.

    Raises:
        LabError: it is not up, or a node does not run.
    """
    lab = lab_of(file)
    if not lab.paths.kubeconfig.exists():
        raise LabError(f"the lab {lab.spec.name} is not up", next="lab up")
    return need_nodes(lab)


def need_nodes(lab: Lab) -> Lab:
    """Return the lab if all of its nodes run on its network, so that no command waits for one that cannot answer.

    Raises:
        LabError: a node exists and does not run, or is off the lab's network.
    """
    from lab.clusters import NodeStatus, provider

    for name, node in provider().look(lab).items():
        if node.status not in {NodeStatus.RUNNING, NodeStatus.ABSENT}:
            raise LabError(f"the node {node.name} is {node.status.value}", where=name, next="lab up")
    return lab


def cluster_of(lab: Lab, name: str) -> Cluster:
    """Return a cluster by its name, or by its role: "east" or "west".

    Raises:
        UsageError: the lab has no such cluster.
    """
    roles = {"east": lab.east, "west": lab.west}
    if name not in lab.clusters and name not in roles:
        raise UsageError(f"there is no cluster {name!r}", next=f"one of: {', '.join(lab.clusters)}")
    return lab.clusters.get(name) or roles[name]


@contextmanager
def locked(lab: Lab, command: str, *, wait_s: float = 0) -> Iterator[None]:
    """Hold the lab's lock while the block runs."""
    from lab.lifecycle import lock

    with lock.held(lab.paths, command, wait_s=wait_s):
        yield
