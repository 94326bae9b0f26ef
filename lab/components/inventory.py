"""Inventories: the objects that a component has applied, in one ConfigMap for each component, in the cluster itself.

The ConfigMap contains a digest of the wanted objects, and each object's generation and uid. A later run compares them
with the cluster: it detects deleted and edited objects without applying all objects again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby

from lab.base.names import OWN_NAMESPACE
from lab.kube import Kube, NotNow
from lab.kube.objects import Obj, Ref, is_deleted, ref
from lab.kube.owned import Owned
from lab.lab import Lab

NAMESPACE = OWN_NAMESPACE
"""Namespace of the inventories."""
_INVENTORIES = "inventory"
_NO_DIGEST = "applying"
_OF_AN_ENTRY = frozenset({"generation", "uid"})
# Controllers write certificates and failure policies into these, which changes the generation.
_NOT_COUNTED = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})
_BY_CONTENT = frozenset({"ConfigMap", "Secret"})
"""Kinds that have no generation: their content is hashed instead."""
_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105 - a Secret's type, whose content the cluster writes

Generations = Mapping[Ref, int]


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The digest of a component's wanted objects, and each object's generation (see `generation`) and uid."""

    digest: str
    generations: Generations
    uids: Mapping[Ref, str] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether the component was applied completely."""
        return self.digest != _NO_DIGEST


def owned(lab: Lab, kube: Kube, component: str) -> Owned:
    """Return the owner of a component's objects: those with its labels, or with a uid from its inventory."""
    return owned_with(lab, kube, component, read(kube, component))


def owned_with(lab: Lab, kube: Kube, component: str, known: Inventory | None) -> Owned:
    """Return the owner of a component's objects, with its inventory as it was read before."""
    return Owned(kube, lab.owner(component), known.uids if known else {})


def read(kube: Kube, component: str) -> Inventory | None:
    """Return a component's inventory, None where it has none."""
    config_map = kube.get(_ref(component))
    return None if config_map is None else _read(config_map)


def read_all(kube: Kube) -> dict[str, Inventory]:
    """Return the inventories of all components of a cluster, by the component's name."""
    config_maps = kube.find("v1", "ConfigMap", namespace=NAMESPACE)
    return {obj["metadata"]["name"]: _read(obj) for obj in config_maps if "digest" in (obj.get("data") or {})}


def _read(config_map: Obj) -> Inventory:
    entries = json.loads(config_map["data"]["objects"])
    refs = [Ref(**{k: v for k, v in entry.items() if k not in _OF_AN_ENTRY}) for entry in entries]
    pairs = list(zip(refs, entries, strict=True))
    return Inventory(
        digest=config_map["data"]["digest"],
        generations={known: entry["generation"] for known, entry in pairs},
        uids={known: entry["uid"] for known, entry in pairs if entry.get("uid")},
    )


def begin(lab: Lab, kube: Kube, component: str, refs: Iterable[Ref], *, old: Inventory | None) -> None:
    """Record the objects that will be applied, so that `remove` also finds those of a killed run.

    `old`: the inventory as it was read before; the lab's lock keeps other commands from changing it.
    """
    known = {**(dict(old.generations) if old else {}), **dict.fromkeys(refs, 0)}
    _write(lab, kube, component, Inventory(digest=_NO_DIGEST, generations=known, uids=old.uids if old else {}))


def finish(lab: Lab, kube: Kube, component: str, digest: str, applied: Sequence[Obj], *, old: Inventory | None) -> None:
    """Record the applied objects, and delete all others in the inventory that `begin` was given."""
    now, objects = generations(applied), owned_with(lab, kube, component, old)
    for gone in set(old.generations if old else ()) - set(now):
        objects.delete(gone)
    uids = {ref(obj): obj["metadata"]["uid"] for obj in applied if obj["metadata"].get("uid")}
    _write(lab, kube, component, Inventory(digest=digest, generations=now, uids=uids))


def remove(lab: Lab, kube: Kube, component: str) -> None:
    """Delete a component's objects, in reverse order, and its inventory."""
    inventory = read(kube, component)
    if inventory is not None:
        objects = owned(lab, kube, component)
        for gone in reversed(list(inventory.generations)):
            objects.delete(gone)
        objects.delete(_ref(component))


def present(lab: Lab, kube: Kube, component: str, kinds: Iterable[Ref]) -> Generations:
    """Return the generations of a component's existing objects, with one request for each kind."""
    refs = set(kinds)
    ordered = sorted({(r.api_version, r.kind) for r in refs})
    present_now: dict[Ref, int] = {}
    for (api_version, kind), _ in groupby(ordered):
        for obj in kube.find(
            api_version, kind, labels=lab.owner(component).labels, metadata_only=kind not in _BY_CONTENT
        ):
            if not is_deleted(obj):
                present_now[ref(obj)] = generation(obj)
    # Objects of other owners can have these labels, too: `kubectl expose` copies them.
    return {known: number for known, number in present_now.items() if known in refs}


def generations(objects: Iterable[Obj]) -> Generations:
    """Return the generation of each object."""
    return {ref(obj): generation(obj) for obj in objects}


def generation(obj: Obj) -> int:
    """Return an object's generation, or a hash of its content for kinds without one; 0 if changes do not count."""
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
    except NotNow:  # most likely the namespace does not exist yet
        namespace: Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        lab.owned(kube, _INVENTORIES).apply_all([namespace])
        objects.apply_all([wanted])
