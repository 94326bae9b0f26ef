"""What scenarios, status and the command line ask of any mesh, whatever product it is."""

from __future__ import annotations

from lab.mesh.capabilities import Capability
from lab.mesh.model import Caller, Carried, Divert, Export, Failover, Gateway, Identity, Link, Permission, Split
from lab.mesh.offers import Mesh

__all__ = [
    "Caller",
    "Capability",
    "Carried",
    "Divert",
    "Export",
    "Failover",
    "Gateway",
    "Identity",
    "Link",
    "Mesh",
    "Permission",
    "Split",
]
