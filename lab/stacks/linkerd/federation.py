"""Federated services on Linkerd: one Service with the endpoints of the Services of a name in all clusters.

The lab labels the members, and the service mirrors create `podinfo-federated` from them. Its endpoints are the pods'
own addresses, without a gateway, so pods must reach pods in other clusters (lab.toml, [network] flat).
"""

from __future__ import annotations

from lab.base.errors import UsageError
from lab.base.names import NAMESPACE
from lab.base.wait import NotYet
from lab.kube import Kube, connect, owned
from lab.kube.objects import Obj, annotations_of, labels_of
from lab.kube.owned import Grounds
from lab.lab import Lab
from lab.mesh import exports
from lab.mesh.names import service_ref
from lab.stacks.linkerd import multicluster

_MEMBER = "member"
_LOCAL, _REMOTE = "multicluster.linkerd.io/local-discovery", "multicluster.linkerd.io/remote-discovery"
_SEEN_S = 60


def need_flat(lab: Lab, what: str) -> None:
    """Check that pods reach pods of other clusters; `what` needs that.

    Raises:
        UsageError: they do not.
    """
    if not lab.spec.network.flat:
        raise UsageError(
            f"{what} needs direct routes between pods of all clusters, and this lab's network is not flat",
            next="flat = true under [network] in lab.toml, then lab up",
        )


def name_of(service: str) -> str:
    """Return the name of the federated service."""
    return f"{service}-federated"


def apply(lab: Lab, service: str) -> tuple[str, ...]:
    """Join the Services of this name into a federated service, and return the clusters whose pods are in it.

    Raises:
        UsageError: the network is not flat, fewer than two clusters have the service, it is headless or of type
            ExternalName, or a cluster has another Service of the federated one's name; nothing was changed.
        WaitTimeout: a linked cluster does not have the federated service.
    """
    need_flat(lab, "a federated service")
    kubes = {name: connect(cluster) for name, cluster in lab.clusters.items()}
    services = {name: kube.get(service_ref(service)) for name, kube in kubes.items()}
    for name, member in services.items():
        if member is not None:
            exports.check_addressable(lab.clusters[name], member)
            exports.check_length(lab.clusters[name], name_of(service))
    members = tuple(name for name, member in services.items() if member is not None)
    if len(members) < 2:
        count = f"{members[0]} only" if members else "no cluster"
        raise UsageError(
            f"a federated service needs the Service in two clusters or more; {service} is in {count}",
            next=f"deploy {service} in another cluster",
        )
    for kube in kubes.values():
        existing = kube.get(service_ref(name_of(service)))
        if existing is not None and not is_federated(existing):
            raise UsageError(
                f"there is a Service {name_of(service)} that is not a federated one; nothing was changed",
                where=kube.cluster.name,
                next=f"give that Service another name, then `lab federate {service}`",
            )
    # One by one: if two service mirrors create the same Service at once, one cluster is never added.
    for number, name in enumerate(members, start=1):
        _label(kubes[name], service, _MEMBER)
        for other, kube in kubes.items():
            if linked := multicluster.linked(lab, other):
                _wait_for(kube, service, {other, *linked} & set(members[:number]))
    return members


def remove(lab: Lab, service: str) -> bool:
    """Delete a federated service, and return when it is gone; return False if there was none."""
    was_member = False
    for cluster in lab.clusters.values():
        kube = connect(cluster)
        if multicluster.FEDERATED_LABEL in labels_of(kube.get(service_ref(service)) or {}):
            _label(kube, service, None)
            was_member = True
    for name, cluster in lab.clusters.items():
        kube = connect(cluster)

        def deleted(kube: Kube = kube) -> bool | NotYet:
            return kube.get(service_ref(name_of(service))) is None or NotYet("it still exists")

        kube.wait_until(f"{name} to delete {name_of(service)}", deleted, timeout_s=_SEEN_S, next="lab status")
    return was_member


def is_federated(service: Obj | None) -> bool:
    """Return whether a Service is a federated one."""
    return service is not None and bool({_LOCAL, _REMOTE} & annotations_of(service).keys())


def listed(kube: Kube) -> list[str]:
    """Return the services of a cluster that are members of federated services."""
    members = kube.find("v1", "Service", namespace=NAMESPACE, labels={multicluster.FEDERATED_LABEL: _MEMBER})
    return sorted(obj["metadata"]["name"] for obj in members)


def _label(kube: Kube, service: str, value: str | None) -> None:
    change = {"metadata": {"labels": {multicluster.FEDERATED_LABEL: value}}}
    owned.change(kube, service_ref(service), change, grounds=Grounds.EXPORT)


def _wait_for(kube: Kube, service: str, wanted: set[str]) -> None:
    def has_members() -> bool | NotYet:
        federated = kube.get(service_ref(name_of(service)))
        notes = annotations_of(federated) if federated else {}
        members = {part.partition("@")[2] for part in notes.get(_REMOTE, "").split(",") if part}
        members |= {kube.cluster.name} if notes.get(_LOCAL) else set()
        return members >= wanted or NotYet(f"its clusters are: {', '.join(sorted(members)) or 'none'}")

    what = f"{name_of(service)} in {kube.cluster.name} with the pods of {', '.join(sorted(wanted))}"
    kube.wait_until(what, has_members, timeout_s=_SEEN_S, next="lab status")
