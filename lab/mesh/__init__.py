"""The interface of a service mesh, the same for Istio and Linkerd: scenarios, status and the command line use it."""

from __future__ import annotations

from lab.mesh.capabilities import Capability
from lab.mesh.model import Caller, Export, Failover, Gateway, Identity, IngressRoute, Intercept, Link, Permission, Split
from lab.mesh.protocols import Mesh

__all__ = [
    "Caller",
    "Capability",
    "Export",
    "Failover",
    "Gateway",
    "Identity",
    "IngressRoute",
    "Intercept",
    "Link",
    "Mesh",
    "Permission",
    "Split",
]
