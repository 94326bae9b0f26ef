"""Create, stop and delete the lab's clusters."""

from __future__ import annotations

from lab.clusters.kind.provider import KindProvider
from lab.clusters.provider import Node, NodeStatus, Provider

__all__ = ["Node", "NodeStatus", "Provider", "provider"]


def provider() -> Provider:
    """Return the provider of the lab's clusters: kind."""
    return KindProvider()
