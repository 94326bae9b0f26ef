"""Pods that get Linkerd's proxy are created after Linkerd runs: one that was created before never gets one.

Linkerd's webhook fails closed, but its configuration is an object of the same stage as Linkerd itself: what is applied
before it gets no proxy, and what is applied after it is refused until the injector answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lab.initialize.model import ApplyStage, StagedObjects
from lab.kube.objects import Obj, annotations_of

_WORKLOADS = frozenset({"DaemonSet", "Deployment", "StatefulSet"})
_INJECT = "linkerd.io/inject"

Owned = tuple[str, StagedObjects]
"""A part and its owner."""


def after_it(parts: Sequence[Owned]) -> Iterator[Owned]:
    """Yield the parts; workloads of the stage of operators that get a proxy are in the stage of objects."""
    spaces = {
        obj["metadata"]["name"]
        for _, part in parts
        for obj in part.objects
        if obj["kind"] == "Namespace" and _asks(obj)
    }
    for owner, part in parts:
        later = [obj for obj in part.objects if _is_injected(obj, spaces)]
        if part.stage is not ApplyStage.OPERATORS or not later:
            yield owner, part
            continue
        if rest := [obj for obj in part.objects if obj not in later]:
            yield owner, replace(part, objects=rest)
        yield owner, replace(part, stage=ApplyStage.OBJECTS, objects=later, text="")


def _is_injected(obj: Obj, spaces: set[str]) -> bool:
    if obj["kind"] not in _WORKLOADS:
        return False
    pods = obj["spec"]["template"]
    return _asks(pods) or (obj["metadata"].get("namespace") in spaces and _INJECT not in annotations_of(pods))


def _asks(obj: Obj) -> bool:
    return annotations_of(obj).get(_INJECT) == "enabled"
