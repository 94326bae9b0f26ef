"""Preview changes: inside `preview`, no write reaches a cluster, and reads see what the writes would leave.

The API server validates each write (dry run). The planned writes can be printed as YAML that `kubectl apply -f -`
accepts; deletions and patches are comments with the exact kubectl commands.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby
from typing import Any

from lab.base import wait
from lab.base.names import LAB_ID_LABEL, LAB_LABEL
from lab.base.wait import NotYet
from lab.kube.manifests import dump
from lab.kube.objects import Obj, Ref, labels_of, ref

_SERVERS_OWN = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")


class Verb(Enum):
    """A change of an object."""

    APPLY = "apply"
    """Server-side apply, which takes over fields from other field managers."""
    PATCH = "patch"
    """A JSON merge patch."""
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class PlannedWrite:
    """One change that a command would make: the cluster's context, the verb, the object, and its body or patch."""

    context: str
    verb: Verb
    ref: Ref
    body: Mapping[str, Any]

    @property
    def object(self) -> Obj:
        """The applied object, without the labels of one lab."""
        metadata = {k: v for k, v in self.body["metadata"].items() if k not in _SERVERS_OWN}
        labels = {k: v for k, v in metadata.get("labels", {}).items() if k not in {LAB_LABEL, LAB_ID_LABEL}}
        return {**self.body, "metadata": {**metadata, "labels": labels}}

    @property
    def command(self) -> str:
        """The kubectl command with the same effect; an applied object is its standard input."""
        kubectl = f"kubectl --context={self.context}"
        if self.verb is Verb.APPLY:
            return f"{kubectl} apply -f -"
        namespace = f" --namespace={self.ref.namespace}" if self.ref.namespace else ""
        name = f"{_resource(self.ref)} {self.ref.name}"
        if self.verb is Verb.DELETE:
            return f"{kubectl}{namespace} delete {name} --ignore-not-found"
        if labels := _only_labels(self.body):
            changes = " ".join(f"{key}-" if value is None else f"{key}={value}" for key, value in labels.items())
            return f"{kubectl}{namespace} label {name} --overwrite {changes}"
        return f"{kubectl}{namespace} patch {name} --type=merge --patch {shlex.quote(json.dumps(self.body))}"


@dataclass
class Preview:
    """The planned writes, in order, and the objects as they would be afterwards."""

    writes: list[PlannedWrite] = field(default_factory=list)
    _objects: dict[tuple[str, Ref], Obj | None] = field(default_factory=dict)

    def add(self, context: str, verb: Verb, wanted: Ref, body: Mapping[str, Any], result: Obj | None) -> None:
        """Record a write, and the object that it would leave; None after a deletion."""
        self.writes.append(PlannedWrite(context=context, verb=verb, ref=wanted, body=body))
        self._objects[context, wanted] = result

    def knows(self, context: str, wanted: Ref) -> bool:
        """Return whether a planned write concerns this object."""
        return (context, wanted) in self._objects

    def get(self, context: str, wanted: Ref) -> Obj | None:
        """Return an object as the planned writes would leave it."""
        return self._objects[context, wanted]

    def merged(self, context: str, like: Ref, labels: Mapping[str, str], found: list[Obj]) -> list[Obj]:
        """Return the objects of a kind as the planned writes would leave them.

        Args:
            context: the cluster's context.
            like: version, kind and namespace; all namespaces if that is empty.
            labels: labels that the objects must have.
            found: the objects as they are.
        """
        kept = [obj for obj in found if (context, ref(obj)) not in self._objects]
        planned = [
            obj
            for (where, one), obj in self._objects.items()
            if obj is not None
            and where == context
            and (one.api_version, one.kind) == (like.api_version, like.kind)
            and like.namespace in {"", one.namespace}
            and labels.items() <= labels_of(obj).items()
        ]
        return [*kept, *planned]

    @property
    def text(self) -> str:
        """YAML for `kubectl apply`, a group for each cluster; the commands of other changes as comments."""
        if not self.writes:
            return "# nothing to change\n"
        parts = []
        for command, group in groupby(self.writes, key=lambda write: write.command):
            writes = list(group)
            # A Secret of the lab has a private key.
            left_out = "".join(f"# left out: {w.ref}\n" for w in writes if w.ref.kind == "Secret")
            documents = [dump(w.object) for w in writes if w.verb is Verb.APPLY and w.ref.kind != "Secret"]
            parts.append(f"# {command}\n{left_out}" + "---\n".join(documents))
        return "---\n".join(parts)

    @property
    def as_json(self) -> list[dict[str, Any]]:
        """The writes as JSON: the command, and the object of an `apply`."""
        return [
            {
                "command": write.command,
                **({"object": write.object} if write.verb is Verb.APPLY and write.ref.kind != "Secret" else {}),
            }
            for write in self.writes
        ]


_current: ContextVar[Preview | None] = ContextVar("preview", default=None)


@contextmanager
def preview() -> Iterator[Preview]:
    """Plan the writes inside the block instead of sending them."""
    planned = Preview()
    token = _current.set(planned)
    try:
        yield planned
    finally:
        _current.reset(token)


def current() -> Preview | None:
    """Return the preview of the surrounding block; None where writes are sent."""
    return _current.get()


def wait_for_effect(what: str, probe: Callable[[], bool | NotYet], *, timeout_s: float, next: str) -> None:  # noqa: A002
    """Wait until another controller has followed a write (`wait.until`); a preview has no effects."""
    if current() is None:
        wait.until(what, probe, timeout_s=timeout_s, next=next)


def _resource(wanted: Ref) -> str:
    """Return the resource's name for kubectl: with the group, if another group may have a kind of this name."""
    group, slash, _ = wanted.api_version.rpartition("/")
    return f"{wanted.kind.lower()}.{group}" if slash and "." in group else wanted.kind.lower()


def _only_labels(patch: Mapping[str, Any]) -> Mapping[str, str | None]:
    """Return the labels of a patch that changes nothing else; empty for any other patch."""
    metadata = patch.get("metadata", {})
    return metadata.get("labels", {}) if set(patch) == {"metadata"} and set(metadata) == {"labels"} else {}
