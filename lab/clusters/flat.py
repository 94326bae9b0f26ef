"""A flat network: a route on each node to the pods of every other cluster, by way of that cluster's node.

Routes are the node container's own and gone when it is started again; `lab up` puts them back.
"""

from __future__ import annotations

from itertools import permutations

from lab.clusters.network import node_address
from lab.context import Lab
from lab.kube import connect
from lab.model import CHANGED, UNCHANGED, Cluster, StepResult
from lab.tools.docker import Docker


def ensure(lab: Lab) -> StepResult:
    """Put the routes where they are missing."""
    docker, changed = Docker(), False
    for source, target in permutations(lab.clusters.values(), 2):
        pods, by = str(lab.spec.clusters[target.name].pod_cidr), node_address(connect(target))
        if f"via {by} " not in _route(docker, source, pods):
            docker.execute(source.node, ["ip", "route", "replace", pods, "via", by])
            changed = True
    return CHANGED if changed else UNCHANGED


def _route(docker: Docker, source: Cluster, pods: str) -> str:
    return docker.execute(source.node, ["ip", "route", "show", pods]).stdout
