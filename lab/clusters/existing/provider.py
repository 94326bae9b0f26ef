"""Existing clusters: adopt them, look at them, and list what the lab has in them.

The lab's own namespace marks a cluster as the lab's: it carries the lab's id. `preflight` looks at a cluster before
that, `removal` deletes all of the lab, and the mark last.
"""

from __future__ import annotations

import threading

from lab.base import events, wait
from lab.base.errors import ClusterError, LabError
from lab.base.names import Cluster
from lab.base.step import CHANGED, UNCHANGED, StepResult
from lab.clusters import addresses, kubeconfig
from lab.clusters.existing import context, removal
from lab.clusters.existing.mark import MARK, claim, mark
from lab.clusters.provider import Node, NodeStatus, OwnedResource
from lab.host.ownership import LabIdentity, settle
from lab.kube import connect
from lab.lab import Lab

_ANSWERS_S = 60.0
_naming = threading.Lock()


def ensure(lab: Lab, cluster: Cluster) -> StepResult:
    """Copy the user's context into the lab's kubeconfig, and mark the cluster as the lab's.

    Raises:
        ClusterError: no kubeconfig has the context; or the cluster is another lab's, or was another one before.
        WaitTimeout: its API server does not answer.
    """
    changed = _adopt(lab, cluster)
    with _naming:  # both clusters of a new lab come here at once
        settle(LabIdentity.of(lab.spec.name, lab.paths), ())
    kube = connect(cluster)
    wait.until(f"the API server of {cluster.name}", lambda: bool(kube.version()), timeout_s=_ANSWERS_S)
    if kube.get(MARK) is None:
        claim(lab, kube).apply_all([mark()])
        return CHANGED
    claim(lab, kube).check([mark()])  # refuses another lab's
    return CHANGED if changed else UNCHANGED


def look(lab: Lab, cluster: Cluster) -> Node:
    """Return a cluster as a node, without a request to it: it runs if the lab has adopted it."""
    if cluster.name not in kubeconfig.existing(lab.paths.kubeconfig):
        return Node(name=cluster.name, status=NodeStatus.ABSENT)
    server = cluster.server or kubeconfig.server(lab.paths.kubeconfig, cluster.context)
    return Node(name=cluster.name, status=NodeStatus.RUNNING, address=addresses.end_of(server)[0])


def adopted(lab: Lab) -> list[Cluster]:
    """Return the existing clusters that the lab has adopted, also those that are no longer in lab.toml.

    Raises:
        LabError: lab.toml has existing clusters, and the lab's kubeconfig cannot be read.
    """
    known = _known(lab)
    return [
        lab.clusters[name]
        if name in lab.spec.existing
        else Cluster(name=name, context=name, kubeconfig=lab.paths.kubeconfig, node="", existing=True)
        for name in known
    ]


def owned(lab: Lab) -> list[OwnedResource]:
    """List what the lab has in existing clusters: one line for each.

    Raises:
        ClusterError: one does not answer.
    """
    known = _known(lab)
    found = [(cluster.name, removal.count(lab, cluster)) for cluster in adopted(lab)]
    return [
        OwnedResource(kind="cluster", name=f"{name}: {number} objects in the context {known[name]}")
        for name, number in found
        if number
    ]


def forget(lab: Lab, cluster: Cluster) -> None:
    """Remove a cluster from the lab's kubeconfig."""
    kubeconfig.forget(lab.paths.kubeconfig, cluster.context)


def _known(lab: Lab) -> dict[str, str]:
    try:
        return kubeconfig.existing(lab.paths.kubeconfig)
    except LabError:  # `lab down` of a lab without existing clusters does not need it
        if lab.spec.existing:
            raise
        return {}


def _adopt(lab: Lab, cluster: Cluster) -> bool:
    file, wanted = lab.paths.kubeconfig, lab.spec.clusters[cluster.name].context
    before = kubeconfig.existing(file).get(cluster.name)
    if before is None and cluster.context in kubeconfig.contexts(file):
        raise ClusterError(
            f"the lab created {cluster.name} itself, and lab.toml names the context {wanted!r} for it now",
            where=cluster.name,
            next="lab down, then lab up; or take `context` out of lab.toml again",
        )
    if before not in {None, wanted}:
        raise ClusterError(
            f"the lab is in the context {before!r}, and lab.toml names {wanted!r} now",
            where=cluster.name,
            next=f"set context = {before!r} in lab.toml again, then `lab down`, then change it",
        )
    try:
        found = context.find(lab, cluster.name)
    except ClusterError:
        if before is None:
            raise
        # A console of the stage has the lab's own kubeconfig as KUBECONFIG.
        events.progress("the user's kubeconfig does not have the context now; the lab's own copy is used")
        return False
    lab.paths.ensure_state()
    return kubeconfig.put(file, name=cluster.context, entries=found.entries, existing=found.name)
