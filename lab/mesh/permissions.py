"""Store a permission in an annotation of the objects that enforce it, and read it back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from lab.base.errors import UsageError
from lab.base.names import LABEL_PREFIX, NAMESPACE
from lab.kube.objects import Obj, annotations_of
from lab.mesh.model import Caller, Permission

_ANNOTATION = f"{LABEL_PREFIX}/permission"


def as_annotation(permission: Permission) -> Mapping[str, str]:
    """Return the annotation that holds a permission."""
    return {_ANNOTATION: json.dumps(asdict(permission))}


def read(objects: Iterable[Obj]) -> list[Permission]:
    """Return the permissions in the annotations of objects; skip objects without one."""
    texts = (annotations_of(obj).get(_ANNOTATION) for obj in objects)
    return [_read(json.loads(text)) for text in texts if text]


def no_pods(permission: Permission) -> UsageError:
    """Return the error for a permission of a service that has no pods in its cluster."""
    return UsageError(
        f"Service {permission.service!r} does not exist in namespace {NAMESPACE}, or has no pods of its own",
        where=permission.cluster,
        next="authorize the service in the cluster that its pods run in",
    )


def _read(text: Mapping[str, Obj]) -> Permission:
    return Permission(
        cluster=str(text["cluster"]),
        service=str(text["service"]),
        callers=tuple(Caller(**caller) for caller in text["callers"]),  # type: ignore[arg-type]
        methods=tuple(text["methods"]),
        paths=tuple(text["paths"]),
    )
