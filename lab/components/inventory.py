"""What a component has put into a cluster, kept in the cluster itself.

One ConfigMap a component holds a digest of what was wanted and every object with its generation. A later run compares
two cheap answers with it, the digest and the generations, and so notices what was deleted or edited by others without
applying everything again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby

from lab.kube import Kube, NotNow
from lab.kube.objects import Obj, Ref, ref
from lab.kube.owned import Owned
from lab.lab import Lab

NAMESPACE = "eastwest-lab"
"""Where the inventories are."""
_INVENTORIES = "inventory"
_NO_DIGEST = "applying"
_OF_AN_ENTRY = frozenset({"generation", "uid"})
# Their generation changes by what others rightly write into them: certificates, policies of failure.
_NOT_COUNTED = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})
_BY_CONTENT = frozenset({"ConfigMap", "Secret"})
"""Kinds whose changes the API server does not count."""
_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105 - a Secret's type, whose content the cluster writes

Generations = Mapping[Ref, int]


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What was applied: a digest of the wanted objects, and each one's generation (see `generation`) and uid."""

    digest: str
    generations: Generations
    uids: Mapping[Ref, str] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether the component was applied to its end."""
        return self.digest != _NO_DIGEST


def owned(lab: Lab, kube: Kube, component: str) -> Owned:
    """Return a component's objects: those with its labels, and those that its inventory knows by their uid."""
    known = read(kube, component)
    return Owned(kube, lab.owner(component), known.uids if known else {})


def read(kube: Kube, component: str) -> Inventory | None:
    """Return a component's inventory, None where it has none."""
    found = kube.get(_ref(component))
    return None if found is None else _read(found)


def read_all(kube: Kube) -> dict[str, Inventory]:
    """Return the inventories of all components of a cluster, by the component's name."""
    found = kube.find("v1", "ConfigMap", namespace=NAMESPACE)
    return {obj["metadata"]["name"]: _read(obj) for obj in found if "digest" in (obj.get("data") or {})}


def _read(found: Obj) -> Inventory:
    entries = json.loads(found["data"]["objects"])
    refs = [Ref(**{k: v for k, v in entry.items() if k not in _OF_AN_ENTRY}) for entry in entries]
    pairs = list(zip(refs, entries, strict=True))
    return Inventory(
        digest=found["data"]["digest"],
        generations={known: entry["generation"] for known, entry in pairs},
        uids={known: entry["uid"] for known, entry in pairs if entry.get("uid")},
    )


def begin(lab: Lab, kube: Kube, component: str, refs: Iterable[Ref]) -> None:
    """Write down what is about to be applied, so that a killed run leaves nothing behind that nobody knows of."""
    old = read(kube, component)
    known = {**(dict(old.generations) if old else {}), **dict.fromkeys(refs, 0)}
    _write(lab, kube, component, Inventory(digest=_NO_DIGEST, generations=known, uids=old.uids if old else {}))


def finish(lab: Lab, kube: Kube, component: str, digest: str, applied: Sequence[Obj]) -> None:
    """Delete the objects that are not wanted any longer, and record the others."""
    now, old = generations(applied), read(kube, component)
    objects = owned(lab, kube, component)
    for gone in set(old.generations if old else ()) - set(now):
        objects.delete(gone)
    uids = {ref(obj): obj["metadata"]["uid"] for obj in applied if obj["metadata"].get("uid")}
    _write(lab, kube, component, Inventory(digest=digest, generations=now, uids=uids))


def remove(lab: Lab, kube: Kube, component: str) -> None:
    """Delete all that a component has applied, last things first, and its inventory."""
    found = read(kube, component)
    if found is not None:
        objects = owned(lab, kube, component)
        for gone in reversed(list(found.generations)):
            objects.delete(gone)
        objects.delete(_ref(component))


def present(lab: Lab, kube: Kube, component: str, kinds: Iterable[Ref]) -> Generations:
    """Look which of a component's objects are there, with one request for each kind."""
    refs = set(kinds)
    ordered = sorted({(r.api_version, r.kind) for r in refs})
    found: dict[Ref, int] = {}
    for (api_version, kind), _ in groupby(ordered):
        for obj in kube.find(
            api_version, kind, labels=lab.owner(component).labels, metadata_only=kind not in _BY_CONTENT
        ):
            found[ref(obj)] = generation(obj)
    # A person's objects can carry these labels, too: `kubectl expose` copies them.
    return {known: number for known, number in found.items() if known in refs}


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


def _write(lab: Lab, kube: Kube, component: str, inventory: Inventory) -> None:
    entries = [
        {**asdict(known), "generation": number, "uid": inventory.uids.get(known, "")}
        for known, number in inventory.generations.items()
    ]
    wanted: Obj = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": component, "namespace": NAMESPACE},
        "data": {"digest": inventory.digest, "objects": json.dumps(entries)},
    }
    objects = lab.owned(kube, component)
    try:
        objects.apply(wanted)
    except NotNow:  # mostly because the namespace does not exist yet
        namespace: Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        lab.owned(kube, _INVENTORIES).apply_all([namespace])
        objects.apply_all([wanted])
