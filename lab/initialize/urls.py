"""The addresses under which browsers reach the ingresses."""

from __future__ import annotations

from collections.abc import Mapping

PORTS: Mapping[str, int] = {"east": 8081, "west": 8080}
"""Ports on this machine, the lab's own: of its published ports, or of a forwarded one."""


def public_url(cluster: str) -> str:
    """Return the base URL of a cluster's ingress in the files: a value to replace where it has a real name."""
    return f"http://localhost:{PORTS[cluster]}"
