"""Ask an API server for the kinds that it serves."""

from __future__ import annotations

import json
from http import HTTPStatus

from lab.base.concurrency import each
from lab.kube.client import Kube
from lab.kube.errors import KubeError

_AWAY = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE})
"""What the API server answers for a group whose own server does not run."""
ServedKind = tuple[str, str, bool]
"""API version and kind, and whether its objects are in namespaces."""


def served(kube: Kube) -> list[ServedKind]:
    """Return each kind that can be listed and deleted, in its group's preferred version.

    Groups whose own server does not answer are left out, as kubectl does.

    Raises:
        KubeError: the API server does not answer.
    """
    groups = json.loads(kube.read("/apis")).get("groups") or []
    versions = ["v1", *(str(group["preferredVersion"]["groupVersion"]) for group in groups)]
    return [kind for kinds in each(lambda version: _kinds(kube, version), versions) for kind in kinds]


def _kinds(kube: Kube, api_version: str) -> list[ServedKind]:
    try:
        found = json.loads(kube.read(f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"))
    except KubeError as error:
        if error.status in _AWAY and "/" in api_version:
            return []
        raise
    return [
        (api_version, one["kind"], bool(one["namespaced"]))
        for one in found.get("resources") or ()
        if "/" not in one["name"] and {"list", "delete"} <= set(one.get("verbs") or ())
    ]
