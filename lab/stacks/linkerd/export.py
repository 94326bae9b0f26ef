"""Exports on Linkerd: a label on the Service, and a mirror of it that the other clusters' service mirrors create."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lab.base.errors import UsageError
from lab.base.names import NAMESPACE
from lab.base.wait import NotYet
from lab.kube import Kube, connect, owned
from lab.kube.objects import Obj, Ref, labels_of, ref
from lab.kube.owned import Grounds, NotOwnedError
from lab.lab import Lab
from lab.mesh.exports import exportable
from lab.mesh.names import exported_name, service_ref
from lab.stacks.linkerd import multicluster

__all__ = [
    "apply",
    "check_mirrors",
    "exported_name",
    "forget",
    "listed",
    "mirror",
    "mirror_of",
    "mirrored",
    "need_gateway",
    "remove",
    "seen_by",
    "unmirror",
    "wait_mirrored",
    "wait_unmirrored",
]


_MIRRORED_S = 240  # `lab up` exports while the service mirrors are still starting
_GONE_S = 30


def apply(lab: Lab, service: str, source: str) -> bool:
    """Export a service, and return when every linked cluster has its mirror; return False if nothing was changed.

    Raises:
        UsageError: as `exportable`, no cluster is linked to `source`, or a direct export has the Service; nothing was
            changed.
        WaitTimeout: a cluster has no mirror of it.
    """
    name = exported_name(service, source)
    labels = labels_of(connect(lab.clusters[source]).get(service_ref(service)) or {"metadata": {}})
    if (other := labels.get(multicluster.DIRECT_LABEL)) is not None:
        raise UsageError(
            f"the lab created {service} for the direct export of {other}",
            where=source,
            next=f"lab export {other} --from {source}, which uses the gateway",
        )
    # The mirror of a headless Service has a cluster IP, and the gateway chooses among the pods.
    exportable(lab.clusters[source], service, name=name, origin=mirrored, headless=True)
    need_gateway(lab, source)
    return mirror(lab, service_ref(service), source)


def remove(lab: Lab, service: str, source: str) -> bool:
    """Delete an export, and return when its mirrors are gone; return False if there was none."""
    return unmirror(lab, service_ref(service), source)


def mirror(lab: Lab, service: Ref, source: str) -> bool:
    """Label a Service of any namespace, and return when each linked cluster has its mirror in that namespace.

    Returns:
        False if the Service already had the label.

    Raises:
        NotOwnedError: a cluster has another Service of the mirror's name; nothing was changed.
        WaitTimeout: a cluster has no mirror of it.
    """
    kube = connect(lab.clusters[source])
    check_mirrors(lab, service, source)
    changed = labels_of(kube.get(service) or {"metadata": {}}).get(multicluster.EXPORTED_LABEL) != "true"
    if changed:
        _label(kube, service, "true")
    wait_mirrored(lab, service, source)
    return changed


def wait_mirrored(lab: Lab, service: Ref, source: str) -> None:
    """Wait until each cluster that is linked to `source` has a Service's mirror.

    Raises:
        WaitTimeout: a cluster has no mirror of it.
    """
    wanted = mirror_of(service, source)
    for there in [connect(lab.clusters[other]) for other in seen_by(lab, source)]:

        def mirrored_there(there: Kube = there) -> bool | NotYet:
            existing = there.get(wanted)
            return (existing is not None and _mirrors(existing, source)) or NotYet("no mirror yet")

        what = f"the mirror {wanted.name} in {there.cluster.name}"
        there.wait_until(what, mirrored_there, timeout_s=_MIRRORED_S, next="lab status")


def check_mirrors(lab: Lab, service: Ref, source: str) -> None:
    """Check that the clusters linked to `source` can create a Service's mirror.

    Raises:
        NotOwnedError: a cluster has another Service of the mirror's name.
    """
    wanted = mirror_of(service, source)
    for other in seen_by(lab, source):
        there = connect(lab.clusters[other])
        existing = there.get(wanted)
        if existing is not None and not _mirrors(existing, source):
            raise NotOwnedError(
                f"there is a Service {wanted.name} that is not a mirror of {source}'s {service.name}; "
                "Linkerd does not replace it, and nothing was changed",
                where=other,
                next=f"give that Service another name, or delete it: `kubectl --context={there.cluster.context} "
                f"--namespace={wanted.namespace} delete service {wanted.name}`",
            )


def unmirror(lab: Lab, service: Ref, source: str) -> bool:
    """Remove the label, and return when the mirrors are gone; return False if there was no label."""
    kube = connect(lab.clusters[source])
    exported = kube.get(service)
    if exported is None or multicluster.EXPORTED_LABEL not in labels_of(exported):
        return False
    _label(kube, service, None)
    wait_unmirrored(lab, service, source)
    return True


def wait_unmirrored(lab: Lab, service: Ref, source: str) -> None:
    """Wait until the mirrors of a Service are gone.

    Raises:
        WaitTimeout: a cluster still has its mirror.
    """
    for other in seen_by(lab, source):
        there, wanted = connect(lab.clusters[other]), mirror_of(service, source)

        def deleted(there: Kube = there, wanted: Ref = wanted) -> bool | NotYet:
            existing = there.get(wanted)
            return existing is None or not _mirrors(existing, source) or NotYet("it still exists")

        what = f"{other} to delete the mirror {wanted.name}"
        there.wait_until(what, deleted, timeout_s=_GONE_S, next="lab status")


def _mirrors(service: Obj, source: str) -> bool:
    return (mirrored(service) or ("", ""))[1] == source


def _label(kube: Kube, service: Ref, value: str | None) -> None:
    change = {"metadata": {"labels": {multicluster.EXPORTED_LABEL: value}}}
    owned.change(kube, service, change, grounds=Grounds.EXPORT)


def mirror_of(service: Ref, source: str) -> Ref:
    """Return the reference of a Service's mirror in the other clusters."""
    return replace(service, name=exported_name(service.name, source))


def listed(kube: Kube) -> Iterator[tuple[str, str]]:
    """Yield the exported services that a cluster knows, each as (service, exporting cluster)."""
    for obj in kube.find("v1", "Service", namespace=NAMESPACE):
        if (service_and_source := mirrored(obj)) is not None:
            yield service_and_source


def mirrored(service: Obj) -> tuple[str, str] | None:
    """Return the (service, cluster) of a mirror, None for a Service that is not a mirror."""
    target = labels_of(service).get(multicluster.TARGET_LABEL)
    return (service["metadata"]["name"].removesuffix(f"-{target}"), target) if target else None


def need_gateway(lab: Lab, source: str) -> None:
    """Check that a cluster has a gateway, which it has if another cluster is linked to it.

    Raises:
        UsageError: no cluster is linked to it.
    """
    if not seen_by(lab, source):
        raise UsageError(
            f"no cluster is linked to {source}, and it has no gateway: lab.toml exports nothing from it",
            where=source,
            next=f'add {source} under [exports] in lab.toml, such as podinfo = ["east", "{source}"], and run lab up',
        )


def forget(kube: Kube, target: str) -> None:
    """Delete the mirrors of a target's services, as `linkerd multicluster unlink` does."""
    labels = {multicluster.TARGET_LABEL: target, multicluster.MIRRORED_LABEL: "true"}
    for obj in kube.find("v1", "Service", labels=labels, metadata_only=True):
        owned.discard(kube, ref(obj), grounds=Grounds.MIRROR)


def seen_by(lab: Lab, source: str) -> list[str]:
    """Return the clusters that are linked to a source of exports."""
    return [name for name in lab.clusters if source in multicluster.linked(lab, name)]
