"""Write the Kubernetes objects for `lab logs --export`, which the report of a failed scenario also has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab import stacks
from lab.base.redaction import redact
from lab.kube import Kube
from lab.kube.manifests import dump
from lab.lab import Lab

Kind = tuple[str, str]
"""API version and kind."""
# Without Secrets and ConfigMaps: programs keep keys in both.
_EVERY_STACK: tuple[Kind, ...] = (
    ("v1", "Node"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "Event"),
    ("apps/v1", "Deployment"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
)


def kinds_of(lab: Lab) -> Sequence[Kind]:
    """Return the kinds that every stack has, and those of the lab's own stack."""
    return (*_EVERY_STACK, *stacks.current(lab).kinds)


def write(kube: Kube, kinds: Sequence[Kind], folder: Path) -> None:
    """Write a cluster's objects, one file for each kind that has any, without keys and tokens.

    Raises:
        KubeError: the API server does not answer.
    """
    for version, kind in kinds:
        if found := kube.find(version, kind):
            group = version.rpartition("/")[0] or "core"
            (folder / f"{kind.lower()}.{group}.yaml").write_text(redact(dump(found)), encoding="utf-8")
