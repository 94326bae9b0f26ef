"""What a component has put into a cluster, kept in the cluster itself.

One ConfigMap a component holds a digest of what was wanted and every object with its generation. A later run compares
two cheap answers with it, the digest and the generations, and so notices what was deleted or edited by others without
applying everything again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from lab.base.names import LAB_LABEL, LABEL_PREFIX, MANAGED_BY
from lab.kube import Kube, NotNow
from lab.kube.objects import Obj, Ref, ref

NAMESPACE = "eastwest-lab"
"""Where the inventories are."""
COMPONENT_LABEL = f"{LABEL_PREFIX}/component"
_NO_DIGEST = "applying"
# Their generation changes by what others rightly write into them: certificates, policies of failure.
_NOT_COUNTED = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})
_BY_CONTENT = frozenset({"ConfigMap", "Secret"})
"""Kinds whose changes the API server does not count."""
_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105 - a Secret's type, whose content the cluster writes

Generations = Mapping[Ref, int]


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What was applied: a digest of the wanted objects and each one's generation (see `generation`)."""

    digest: str
    generations: Generations


def labels(lab_name: str, component: str) -> dict[str, str]:
    """Return the labels of everything that belongs to a component."""
    return {"app.kubernetes.io/managed-by": MANAGED_BY, LAB_LABEL: lab_name, COMPONENT_LABEL: component}


def read(kube: Kube, component: str) -> Inventory | None:
    """Return a component's inventory, None where it has none."""
    found = kube.get(_ref(component))
    if found is None:
        return None
    entries = json.loads(found["data"]["objects"])
    known = {Ref(**{k: v for k, v in e.items() if k != "generation"}): e["generation"] for e in entries}
    return Inventory(digest=found["data"]["digest"], generations=known)


def begin(kube: Kube, lab_name: str, component: str, refs: Iterable[Ref]) -> None:
    """Write down what is about to be applied, so that a killed run leaves nothing behind that nobody knows of."""
    old = read(kube, component)
    known = {**(dict(old.generations) if old else {}), **dict.fromkeys(refs, 0)}
    _write(kube, lab_name, component, Inventory(digest=_NO_DIGEST, generations=known))


def finish(kube: Kube, lab_name: str, component: str, digest: str, applied: Sequence[Obj]) -> None:
    """Delete what is no longer wanted, and write down what is."""
    now = generations(applied)
    old = read(kube, component)
    for gone in set(old.generations if old else ()) - set(now):
        kube.delete(gone)
    _write(kube, lab_name, component, Inventory(digest=digest, generations=now))


def remove(kube: Kube, component: str) -> None:
    """Delete all that a component has applied, last things first, and its inventory."""
    found = read(kube, component)
    if found is not None:
        for gone in reversed(list(found.generations)):
            kube.delete(gone)
        kube.delete(_ref(component))


def present(kube: Kube, lab_name: str, component: str, kinds: Iterable[Ref]) -> Generations:
    """Look which of a component's objects are there, with one request for each kind."""
    ordered = sorted({(r.api_version, r.kind) for r in kinds})
    found: dict[Ref, int] = {}
    for (api_version, kind), _ in groupby(ordered):
        for obj in kube.find(
            api_version, kind, labels=labels(lab_name, component), metadata_only=kind not in _BY_CONTENT
        ):
            found[ref(obj)] = generation(obj)
    found.pop(_ref(component), None)
    return found


def generations(objects: Iterable[Obj]) -> Generations:
    """Return the generation of each of some objects."""
    return {ref(obj): generation(obj) for obj in objects}


def generation(obj: Obj) -> int:
    """Return how often what is wanted of an object was changed, or a number for its content; 0 where neither counts."""
    if obj["kind"] in _BY_CONTENT and obj.get("type") != _TOKEN:
        content = json.dumps([obj.get("data"), obj.get("binaryData")], sort_keys=True)
        return int(hashlib.sha256(content.encode()).hexdigest()[:8], 16)
    return 0 if obj["kind"] in _NOT_COUNTED else int(obj["metadata"].get("generation", 0))


def _ref(component: str) -> Ref:
    return Ref(api_version="v1", kind="ConfigMap", name=component, namespace=NAMESPACE)


def _write(kube: Kube, lab_name: str, component: str, inventory: Inventory) -> None:
    entries = [{**asdict(r), "generation": number} for r, number in inventory.generations.items()]
    wanted: Obj = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": component, "namespace": NAMESPACE, "labels": labels(lab_name, component)},
        "data": {"digest": inventory.digest, "objects": json.dumps(entries)},
    }
    try:
        kube.apply(wanted)
    except NotNow:  # mostly because the namespace is not there yet
        kube.apply_all([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, wanted])
