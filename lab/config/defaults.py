"""The defaults of lab.toml's tables of clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.base import colours

_ROLES: Mapping[str, Mapping[str, Any]] = {
    "east": {
        "stands_in_for": "GKE",
        "region": "europe-west1",
        "zone": "europe-west1-b",
        "ingress_port": 8081,
        "podinfo": {"color": colours.CLUSTERS[0]},
    },
    "west": {
        "stands_in_for": "Docker Desktop",
        "region": "laptop",
        "zone": "docker-desktop",
        "ingress_port": 8080,
        "podinfo": {"color": colours.CLUSTERS[1]},
    },
}
_MORE_COLORS = colours.CLUSTERS[len(_ROLES) :]


def of_cluster(name: str, role: str | None, index: int, *, existing: bool = False) -> dict[str, Any]:
    """Return the table of a cluster: of the one in a role, or of the further one at this place of lab.toml."""
    of_role = _ROLES[role] if role else {}
    if existing:
        of_role = {**of_role, "stands_in_for": "itself"}
    return {
        "stands_in_for": "another cluster",
        "region": name,
        "zone": f"{name}-a",
        "pod_cidr": f"10.{10 + index}.0.0/16",
        "service_cidr": f"10.{110 + index}.0.0/16",
        "ingress_port": 8080 + index,
        "trust_domain": f"{name}.example",
        **of_role,
        "podinfo": {
            "color": _MORE_COLORS[(index - len(_ROLES)) % len(_MORE_COLORS)],
            "message": f"greetings from {name.capitalize()}",
            **of_role.get("podinfo", {}),
        },
    }
