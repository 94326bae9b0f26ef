"""One change of an object, as the lab sends it to an API server and as kubectl makes it. No I/O."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from lab.base.names import LAB_ID_LABEL, LAB_LABEL, Cluster
from lab.kube.objects import Obj, Ref, labels_of

_OF_ONE_LAB = frozenset({LAB_LABEL, LAB_ID_LABEL})


class Verb(Enum):
    """A change of an object."""

    APPLY = "apply"
    """Server-side apply, which takes over fields from other field managers."""
    PATCH = "patch"
    """A JSON merge patch."""
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class Write:
    """A change of an object in a cluster.

    Args:
        cluster: the cluster.
        verb: the change.
        ref: the object.
        body: the object, the merge patch, or the options of a delete.
        status: change the object's status instead.
        overwrite: whether the change replaces the value of a label.
        after: what has to happen first, such as the work of a controller on an earlier change.
    """

    cluster: Cluster
    verb: Verb
    ref: Ref
    body: Mapping[str, Any]
    status: bool = False
    overwrite: bool = False
    after: tuple[str, ...] = ()

    @property
    def action(self) -> str:
        """The change as one word: apply, patch, label or delete."""
        return "label" if self._labels else self.verb.value

    @property
    def object(self) -> Obj | None:
        """The object that is applied, None for other changes.

        It lacks the labels of one lab: every lab of this specification recognises it as its own.
        """
        if self.verb is not Verb.APPLY:
            return None
        obj: Obj = json.loads(json.dumps(self.body))
        obj["metadata"]["labels"] = {k: v for k, v in labels_of(obj).items() if k not in _OF_ONE_LAB}
        return obj

    @property
    def command(self) -> str:
        """The kubectl command of the change; one that applies reads the object from standard input."""
        kubectl = f"kubectl --context={shlex.quote(self.cluster.context)}"
        if self.verb is Verb.APPLY:
            return f"{kubectl} apply -f -"
        kubectl += f" -n {self.ref.namespace}" if self.ref.namespace else ""
        target = f"{_resource(self.ref)} {self.ref.name}"
        if self.verb is Verb.DELETE:
            return f"{kubectl} delete {target}"
        if labels := self._labels:
            pairs = " ".join(f"{key}-" if value is None else f"{key}={value}" for key, value in labels.items())
            return f"{kubectl} label {target} {pairs}" + (" --overwrite" if self.overwrite else "")
        part = " --subresource=status" if self.status else ""
        return f"{kubectl} patch {target}{part} --type=merge -p {shlex.quote(json.dumps(self.body))}"

    @property
    def _labels(self) -> Mapping[str, str | None]:
        """The labels of a patch that sets or removes labels only."""
        metadata = self.body.get("metadata", {})
        only = self.verb is Verb.PATCH and set(self.body) == {"metadata"} and set(metadata) == {"labels"}
        return metadata["labels"] if only else {}

    def over(self, before: Obj | None) -> Write:
        """Return the change with a note whether it replaces a label's value in an object."""
        labels = labels_of(before) if before else {}
        replaced = [key for key, value in self._labels.items() if value is not None and labels.get(key, value) != value]
        return replace(self, overwrite=bool(replaced))

    def expected(self, before: Obj | None, answer: Obj | None, *, again: bool) -> Obj | None:
        """Return the object after the change, None after a delete.

        Args:
            before: the object before the change.
            answer: the server's answer to a dry run; None where the server cannot validate the change.
            again: whether `before` has changes that the server does not know.
        """
        if self.verb is Verb.DELETE:
            return None
        if self.verb is Verb.APPLY and answer is not None and not again:
            return answer
        change = answer if self.verb is Verb.APPLY and answer is not None else self.body
        after: Obj = merge_patch(before or {}, change)
        return after


def merge_patch(old: Any, change: Any) -> Any:
    """Return a document after a JSON merge patch (RFC 7396)."""
    if not isinstance(change, Mapping):
        return change
    merged = dict(old) if isinstance(old, Mapping) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def _resource(wanted: Ref) -> str:
    """Return the kind as kubectl reads it, with the API group where two groups can have a kind of this name."""
    group = wanted.api_version.rpartition("/")[0]
    return wanted.kind.lower() + (f".{group}" if "." in group else "")
