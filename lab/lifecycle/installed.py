"""Check that all workloads and Services that `lab up` installed exist, are ready and have endpoints."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from lab.base.names import NAMESPACE
from lab.components import dns, inventory
from lab.components.base import ManifestComponent
from lab.kube import Kube
from lab.kube.objects import Obj, Ref, ref, unready
from lab.lab import Lab
from lab.mesh.ask import ready_endpoints
from lab.stacks import Stack

_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


def problems(lab: Lab, stack: Stack, kube: Kube) -> list[str]:
    """Return the problems of a cluster's workloads.

    Raises:
        KubeError: the cluster does not answer.
    """
    name = kube.cluster.name
    known = inventory.read_all(kube)
    found = [f"{component} is not installed" for component in _components(lab, stack, name) if component not in known]
    found += [f"{component} is only half installed" for component, has in known.items() if not has.finished]
    applied = {of: generation for has in known.values() for of, generation in has.generations.items()}
    workloads = [*(of for of in applied if of.kind in _KINDS), dns.DEPLOYMENT]
    there = _find(kube, workloads)
    # Some have 0 replicas as they were applied; the generation tells them from those that somebody scaled down.
    scaled = stack.scaled(lab)
    idle = {
        of
        for of, obj in there.items()
        if obj["spec"].get("replicas", 1) == 0 and (of in scaled or inventory.generation(obj) == applied.get(of))
    }
    wrong = list(_of_workloads(kube, [of for of in workloads if of not in idle], there))
    names = {of.name for of in idle}
    found += wrong or list(_of_services(kube, [of for of in applied if of.name not in names]))
    return [f"{name}: {words}" for words in found]


def _components(lab: Lab, stack: Stack, cluster: str) -> list[str]:
    """Return the names of the components that keep an inventory in a cluster."""
    parts = [part.component for part in stack.components(lab).values()]
    pairs = [(source, target) for source in lab.clusters for target in lab.clusters if source != target]
    links = [part for source, target in pairs for part in stack.link_components(lab, source, target)]
    parts += [part.component for part in links if part.cluster == cluster]
    return [component.name for component in parts if isinstance(component, ManifestComponent)]


def _find(kube: Kube, refs: Iterable[Ref]) -> Mapping[Ref, Obj]:
    """Return the workloads of a cluster, with one request for each kind."""
    kinds = sorted({(of.api_version, of.kind) for of in refs})
    return {ref(obj): obj for api_version, kind in kinds for obj in kube.find(api_version, kind)}


def _of_workloads(kube: Kube, refs: Sequence[Ref], there: Mapping[Ref, Obj]) -> Iterator[str]:
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
