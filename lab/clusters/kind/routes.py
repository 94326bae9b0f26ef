"""How far a cluster's node sends what is meant for the addresses inside of another cluster.

Nowhere, by default: such addresses are private ones, and without a route of its own a node would pass them on to this
machine's network, where they belong to somebody else or to nobody. On a flat network pods are reached by way of the
other cluster's node. Routes are the node container's own and gone when it is started again; `lab up` puts them back.
"""

from __future__ import annotations

from itertools import permutations

from lab.base.step import CHANGED, UNCHANGED, StepResult
from lab.clusters.kind.network import node_address
from lab.kube import connect
from lab.lab import Lab
from lab.tools.docker import Docker


def ensure(lab: Lab) -> StepResult:
    """Put the routes where they are missing."""
    docker, changed = Docker(), False
    for source, target in permutations(lab.clusters.values(), 2):
        has = docker.execute(source.node, ["ip", "route", "show"]).stdout.splitlines()
        for words in wanted(lab, target.name):
            if not any(line.split()[: len(words)] == words for line in has):
                docker.execute(source.node, ["ip", "route", "replace", *words])
                changed = True
    return CHANGED if changed else UNCHANGED


def wanted(lab: Lab, target: str) -> list[list[str]]:
    """Return the routes of every other cluster's node to a cluster's pods and services, in the words of `ip route`."""
    spec = lab.spec.clusters[target]
    pods, services = str(spec.pod_cidr), str(spec.service_cidr)
    nowhere = [["unreachable", services]]
    if lab.spec.network.flat:
        return [[pods, "via", node_address(connect(lab.clusters[target]))], *nowhere]
    return [["unreachable", pods], *nowhere]
