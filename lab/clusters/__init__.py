"""Create, stop and delete the lab's clusters."""

from __future__ import annotations

from lab.clusters.mixed import MixedProvider
from lab.clusters.provider import Node, NodeStatus, Provider

__all__ = ["Node", "NodeStatus", "Provider", "provider"]


def provider() -> Provider:
    """Return the provider of the lab's clusters."""
    return MixedProvider()
