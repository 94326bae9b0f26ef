"""The context of a scenario: its lab, its mesh, and measurements that later steps need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lab.base.names import Cluster, Json
from lab.measure.load import usual_rate_per_s
from lab.mesh.capabilities import Capability

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.mesh.protocols import Mesh

Role = Literal["east", "west"]
"""A role of lab.toml: scenarios name roles, and the lab's specification names the clusters that have them."""


class StepNotRunError(Exception):
    """A check needs a measurement of its step, and the step has not run."""


@dataclass(kw_only=True)
class Context:
    """One lab, its mesh, and the data that steps pass on.

    `memo` is the only data that a step passes to later steps. It is plain JSON, so that another process can continue a
    walk. `env` has the environment variables of typed commands (KUBECONFIG, PATH).
    """

    lab: Lab
    mesh: Mesh
    env: Mapping[str, str] = field(default_factory=dict)
    memo: dict[str, Json] = field(default_factory=dict)
    full: bool = False
    """Also run steps that stop whole clusters."""
    rate_per_s: float = field(default_factory=usual_rate_per_s)
    """Requests per second of a steady load."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the lab can do: its mesh, and its clusters, if it has created all of them."""
        of_clusters = frozenset() if self.lab.spec.existing else {Capability.NODES, Capability.ADDRESSES}
        return self.mesh.capabilities | of_clusters

    @property
    def east(self) -> Cluster:
        """The shared cluster."""
        return self.lab.east

    @property
    def west(self) -> Cluster:
        """The laptop's cluster."""
        return self.lab.west

    def cluster(self, role: Role) -> Cluster:
        """Return the cluster in a role."""
        return self.east if role == "east" else self.west

    def recall(self, key: str) -> Json:
        """Return a measurement that a step put into `memo`.

        Raises:
            StepNotRunError: the step has not run.
        """
        if key not in self.memo:
            raise StepNotRunError(key)
        return self.memo[key]

    def base_url(self, cluster: Cluster) -> str:
        """Return the URL of a cluster's ingress on this machine."""
        return self.lab.ingress_url(cluster.name)
