"""Where clusters come from."""

from __future__ import annotations

from lab.clusters.kind.provider import KindProvider
from lab.clusters.provider import Node, NodeStatus, Provider

__all__ = ["Node", "NodeStatus", "Provider", "provider"]


def provider() -> Provider:
    """Return the source of the lab's clusters: kind; clusters that exist already are to come."""
    return KindProvider()
