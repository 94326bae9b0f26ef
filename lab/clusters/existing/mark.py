"""The mark of a cluster that a lab uses: the lab's own namespace, with the lab's id."""

from __future__ import annotations

from lab.base.names import OWN_NAMESPACE
from lab.kube import Kube
from lab.kube.objects import Obj, Ref
from lab.kube.owned import Owned
from lab.lab import Lab

MARK = Ref(api_version="v1", kind="Namespace", name=OWN_NAMESPACE)


def claim(lab: Lab, kube: Kube) -> Owned:
    """Return the owner of the mark in a cluster."""
    return lab.owned(kube, "inventory")


def mark() -> Obj:
    """Return the mark."""
    return {"apiVersion": MARK.api_version, "kind": MARK.kind, "metadata": {"name": MARK.name}}
