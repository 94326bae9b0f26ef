"""Check that all objects that `lab up` installed exist, that workloads are ready and that Services have endpoints."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

from lab.base.concurrency import each
from lab.base.names import NAMESPACE
from lab.components import dns, inventory
from lab.components.base import ManifestComponent
from lab.components.inventory import Inventory
from lab.kube import Kube, KubeError
from lab.kube.objects import Obj, Ref, is_deleted, ref, unready
from lab.lab import Lab
from lab.mesh.ask import ready_endpoints
from lab.stacks import Stack

_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
_MOST_NAMED = 5
"""Missing objects of a component that are named."""


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
    found += _missing(kube, known)
    own_dns = [] if kube.cluster.existing else [dns.DEPLOYMENT]
    workloads = [*(of for of in applied if of.kind in _KINDS), *own_dns]
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


def _missing(kube: Kube, known: Mapping[str, Inventory]) -> Iterator[str]:
    """Yield the recorded objects that the cluster does not have, besides workloads, with one request for each kind.

    What lacks its namespace or its kind is not named: the namespace or the CRD is.
    """
    recorded = {
        component: [of for of in has.generations if of.kind not in _KINDS]
        for component, has in known.items()
        if has.finished
    }
    kinds = sorted({(of.api_version, of.kind) for refs in recorded.values() for of in refs})
    there: set[Ref] = set()
    unknown: set[tuple[str, str]] = set()
    for kind, refs, problem in each(partial(_listed, kube), kinds):
        there.update(refs)
        if problem:
            unknown.add(kind)
            yield problem
    gone = {
        component: [of for of in refs if of not in there and (of.api_version, of.kind) not in unknown]
        for component, refs in recorded.items()
    }
    every = [of for refs in gone.values() for of in refs]
    namespaces = {of.name for of in every if of.kind == "Namespace"}
    groups = {of.name.partition(".")[2] for of in every if of.kind == "CustomResourceDefinition"}
    for component, refs in gone.items():
        named = [of for of in refs if of.namespace not in namespaces and of.api_version.split("/")[0] not in groups]
        yield from (f"{of} is missing" for of in named[:_MOST_NAMED])
        if len(named) > _MOST_NAMED:
            yield f"{len(named) - _MOST_NAMED} more objects of {component} are missing"


def _listed(kube: Kube, kind: tuple[str, str]) -> tuple[tuple[str, str], list[Ref], str]:
    """Return a kind, its objects, and why they cannot be listed; an error of one kind hides no other problem."""
    try:
        return kind, [ref(obj) for obj in kube.find(*kind, metadata_only=True) if not is_deleted(obj)], ""
    except KubeError as error:
        return kind, [], f"cannot check objects of the kind {kind[1]}: {error.what}"


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
