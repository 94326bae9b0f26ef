"""Federated services on Linkerd: one name whose endpoints are those of a service in every cluster.

Members are labelled, and the service mirrors of the clusters that look at others make `podinfo-federated` of them.
Its endpoints are pods' own addresses, without any gateway; so pods must reach each other's (lab.toml, [network] flat).
"""

from __future__ import annotations

from lab.base import wait
from lab.base.errors import ClusterError
from lab.base.names import NAMESPACE
from lab.base.wait import NotYet
from lab.kube import Kube, connect, owned
from lab.kube.objects import annotations_of, labels_of
from lab.kube.owned import Grounds
from lab.lab import Lab
from lab.mesh import exports
from lab.mesh.names import service_ref
from lab.stacks.linkerd import multicluster

_MEMBER = "member"
_LOCAL, _REMOTE = "multicluster.linkerd.io/local-discovery", "multicluster.linkerd.io/remote-discovery"
_SEEN_S = 60


def name_of(service: str) -> str:
    """Return the name under which all clusters' pods of a service answer."""
    return f"{service}-federated"


def apply(lab: Lab, service: str) -> tuple[str, ...]:
    """Make a service one with its namesakes, and return the clusters whose pods are in it.

    Raises:
        ClusterError: the network is not flat, fewer than two clusters have the service, it is headless or of type
            ExternalName, or a cluster has another Service of the federated one's name; nothing was changed.
        WaitTimeout: a cluster that looks at others does not have the federated service.
    """
    if not lab.spec.network.flat:
        raise ClusterError(
            "a federated service needs pods that reach each other's addresses, and this lab's network is not flat",
            next="flat = true under [network] in lab.toml, then lab up",
        )
    there = {name: connect(cluster) for name, cluster in lab.clusters.items()}
    found = {name: kube.get(service_ref(service)) for name, kube in there.items()}
    for name, member in found.items():
        if member is not None:
            exports.check_addressable(lab.clusters[name], member)
            exports.check_length(lab.clusters[name], name_of(service))
    members = tuple(name for name, member in found.items() if member is not None)
    if len(members) < 2:
        one = members[0] if members else "none"
        raise ClusterError(f"a federated service is in two clusters or more; {service} is in {one}")
    for kube in there.values():
        there_already = kube.get(service_ref(name_of(service)))
        if there_already is not None and not {_LOCAL, _REMOTE} & annotations_of(there_already).keys():
            raise ClusterError(
                f"there is a Service {name_of(service)} that is not a federated one; nothing was changed",
                where=kube.cluster.name,
                next=f"give that Service another name, then `lab federate {service}`",
            )
    # One after the other: two service mirrors that make the same Service at once leave one cluster out for good.
    for number, name in enumerate(members, start=1):
        _label(there[name], service, _MEMBER)
        for other, kube in there.items():
            if linked := multicluster.linked(lab, other):
                _wait_for(kube, service, {other, *linked} & set(members[:number]))
    return members


def remove(lab: Lab, service: str) -> bool:
    """Take a federated service apart, and return when it is gone; False when there was none."""
    gone = False
    for cluster in lab.clusters.values():
        kube = connect(cluster)
        if multicluster.FEDERATED_LABEL in labels_of(kube.get(service_ref(service)) or {}):
            _label(kube, service, None)
            gone = True
    for name, cluster in lab.clusters.items():
        kube = connect(cluster)

        def look(kube: Kube = kube) -> bool | NotYet:
            return kube.get(service_ref(name_of(service))) is None or NotYet("it is still there")

        wait.until(f"{name}: {name_of(service)} gone", look, timeout_s=_SEEN_S)
    return gone


def listed(kube: Kube) -> list[str]:
    """Return the services of a cluster that are members of federated ones."""
    found = kube.find("v1", "Service", namespace=NAMESPACE, labels={multicluster.FEDERATED_LABEL: _MEMBER})
    return sorted(obj["metadata"]["name"] for obj in found)


def _label(kube: Kube, service: str, value: str | None) -> None:
    change = {"metadata": {"labels": {multicluster.FEDERATED_LABEL: value}}}
    owned.change(kube, service_ref(service), change, grounds=Grounds.EXPORT)


def _wait_for(kube: Kube, service: str, wanted: set[str]) -> None:
    def look() -> bool | NotYet:
        found = kube.get(service_ref(name_of(service)))
        notes = annotations_of(found) if found else {}
        has = {part.partition("@")[2] for part in notes.get(_REMOTE, "").split(",") if part}
        has |= {kube.cluster.name} if notes.get(_LOCAL) else set()
        return has >= wanted or NotYet(f"in it are: {', '.join(sorted(has)) or 'none'}")

    wait.until(f"{kube.cluster.name}: {name_of(service)}", look, timeout_s=_SEEN_S, next="lab status")
