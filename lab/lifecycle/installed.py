"""Workloads: whether every Deployment and Service that `lab up` has installed is there, ready and has endpoints."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from lab.base.names import NAMESPACE
from lab.components import dns, inventory
from lab.components.base import ManifestComponent
from lab.kube import Kube
from lab.kube.objects import Ref, ref, unready
from lab.lab import Lab
from lab.mesh.ask import ready_endpoints
from lab.stacks import Stack

_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


def problems(lab: Lab, stack: Stack, kube: Kube) -> list[str]:
    """Return what is wrong with a cluster's workloads, one phrase each.

    Raises:
        KubeError: the cluster cannot be asked.
    """
    name = kube.cluster.name
    known = inventory.read_all(kube)
    found = [f"{component} is not installed" for component in _components(lab, stack, name) if component not in known]
    found += [f"{component} is only half installed" for component, has in known.items() if not has.finished]
    empty = {"podinfo"} if lab.spec.clusters[name].podinfo.replicas == 0 else set()
    refs = [of for component, has in known.items() if component not in empty for of in has.generations]
    workloads = list(_of_workloads(kube, [*(of for of in refs if of.kind in _KINDS), dns.DEPLOYMENT]))
    found += workloads or list(_of_services(kube, refs))
    return [f"{name}: {words}" for words in found]


def _components(lab: Lab, stack: Stack, cluster: str) -> list[str]:
    """Return the names of the components that keep an inventory in a cluster."""
    parts = [part.component for part in stack.components(lab).values()]
    pairs = [(source, target) for source in lab.clusters for target in lab.clusters if source != target]
    links = [part for source, target in pairs for part in stack.link_components(lab, source, target)]
    parts += [part.component for part in links if part.cluster == cluster]
    return [component.name for component in parts if isinstance(component, ManifestComponent)]


def _of_workloads(kube: Kube, refs: Sequence[Ref]) -> Iterator[str]:
    kinds = sorted({(of.api_version, of.kind) for of in refs})
    there = {ref(obj): obj for api_version, kind in kinds for obj in kube.find(api_version, kind)}
    for of in refs:
        obj = there.get(of)
        if obj is None:
            yield f"{of} is missing"
        elif obj["spec"].get("replicas", 1) == 0:
            yield f"{of} is scaled to 0 pods"
        elif unready(obj):
            yield from kube.lacks([of])  # with the reason of its pods


def _of_services(kube: Kube, refs: Collection[Ref]) -> Iterator[str]:
    ready: Mapping[str, int] = ready_endpoints(kube)
    for of in refs:
        if of.kind == "Service" and of.namespace == NAMESPACE and not ready.get(of.name):
            yield f"{of} has no ready endpoints"
