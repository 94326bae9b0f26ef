"""The provider of a lab's clusters: kind for those that the lab creates, the rest for existing ones.

What needs a node, such as a power cut, exists for created clusters only; `Capability.NODES` tells scenarios so.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from lab.base import wait
from lab.base.concurrency import each
from lab.base.distance import Distance
from lab.base.errors import ClusterError, UsageError
from lab.base.names import Cluster
from lab.base.process import Completed
from lab.base.step import UNCHANGED, StepResult
from lab.clusters.existing import provider as existing
from lab.clusters.existing import removal
from lab.clusters.kind.provider import KindProvider
from lab.clusters.provider import Means, Node, NodeShell, OwnedResource, Ping, Power, Wire, WireState
from lab.kube import connect
from lab.lab import Lab
from lab.measure.capture import Capture, CaptureUnavailableError


def _check(*clusters: Cluster | str, what: str) -> None:
    """Check that none of the clusters is an existing one.

    Raises:
        UsageError: one is.
    """
    for cluster in clusters:
        if isinstance(cluster, Cluster) and cluster.existing:
            raise UsageError(
                f"it is an existing cluster, and the lab {what}",
                where=cluster.name,
                next="use a cluster that the lab creates: one without `context` in lab.toml",
            )


@dataclass(frozen=True)
class MixedPower:
    """Implements `lab.clusters.provider.Power`."""

    kind: Power

    def stop(self, cluster: Cluster) -> None:
        """Stop a created cluster's node."""
        _check(cluster, what="does not stop its nodes")
        self.kind.stop(cluster)

    def kill(self, cluster: Cluster) -> str:
        """Kill a created cluster's node."""
        _check(cluster, what="does not stop its nodes")
        return self.kind.kill(cluster)

    def pause(self, cluster: Cluster) -> None:
        """Suspend a created cluster's node."""
        _check(cluster, what="does not stop its nodes")
        self.kind.pause(cluster)

    def start(self, cluster: Cluster, *, timeout_s: float = 180) -> bool:
        """Start a created cluster's node; of an existing cluster, wait for its API server."""
        if not cluster.existing:
            return self.kind.start(cluster, timeout_s=timeout_s)
        kube = connect(cluster)
        wait.until(f"the API server of {cluster.name}", lambda: bool(kube.version()), timeout_s=timeout_s)
        return False

    def prefer(self, clusters: Sequence[Cluster]) -> AbstractContextManager[None]:
        """Prefer the created ones of the clusters."""
        return self.kind.prefer([cluster for cluster in clusters if not cluster.existing])


@dataclass(frozen=True)
class MixedWire:
    """Implements `lab.clusters.provider.Wire`."""

    kind: Wire

    def cut(self, source: Cluster, target: Cluster) -> str:
        """Cut two created clusters."""
        _check(source, target, what="does not cut its network")
        return self.kind.cut(source, target)

    def restore(self, source: Cluster, target: Cluster | str) -> bool:
        """Undo a cut."""
        _check(source, target, what="does not cut its network")
        return self.kind.restore(source, target)

    def cut_command(self, source: Cluster, target: Cluster) -> str:
        """Return the command of `cut`."""
        _check(source, target, what="does not cut its network")
        return self.kind.cut_command(source, target)

    def restore_command(self, source: Cluster, target: Cluster | str) -> str:
        """Return the command of `restore`."""
        _check(source, target, what="does not cut its network")
        return self.kind.restore_command(source, target)

    def reaches(self, source: Cluster, ends: Sequence[tuple[str, int]]) -> frozenset[tuple[str, int]]:
        """Try connections from a created cluster's node."""
        _check(source, what="does not run commands on its nodes")
        return self.kind.reaches(source, ends)

    def means(self, source: Cluster) -> Means:
        """Return what delays packets between created clusters."""
        _check(source, what="does not delay its packets")
        return self.kind.means(source)

    def distance_commands(
        self, lab: Lab, source: Cluster, target: Cluster, distance: Distance, means: Means
    ) -> list[str]:
        """Return the commands of `set_distance`."""
        _check(source, target, what="does not delay its packets")
        return self.kind.distance_commands(lab.created, source, target, distance, means)

    def set_distance(self, lab: Lab, source: Cluster, target: Cluster, distance: Distance, means: Means) -> list[str]:
        """Set the distance of two created clusters."""
        _check(source, target, what="does not delay its packets")
        return self.kind.set_distance(lab.created, source, target, distance, means)

    def clearing_commands(self, lab: Lab, source: Cluster, target: Cluster) -> list[str]:
        """Return the commands of `clear_distance`."""
        _check(source, target, what="does not delay its packets")
        return self.kind.clearing_commands(lab.created, source, target)

    def clear_distance(self, lab: Lab, source: Cluster, target: Cluster) -> list[str]:
        """Undo `set_distance`."""
        _check(source, target, what="does not delay its packets")
        return self.kind.clear_distance(lab.created, source, target)

    def ping(self, source: Cluster, target: Cluster) -> Ping:
        """Measure round trips between nodes of created clusters."""
        _check(source, target, what="does not run commands on its nodes")
        return self.kind.ping(source, target)

    def ensure_routes(self, lab: Lab) -> StepResult:
        """Add missing routes between created clusters."""
        return self.kind.ensure_routes(lab.created) if lab.created.clusters else UNCHANGED

    def state(self, lab: Lab, clusters: Sequence[str]) -> WireState:
        """Return the state of the network at the nodes of created clusters."""
        created = [name for name in clusters if not lab.clusters[name].existing]
        if not lab.created.clusters:
            return WireState()
        return self.kind.state(lab.created, created)

    def capture(self, lab: Lab, cluster: Cluster) -> Capture:
        """Capture packets at a created cluster's node."""
        if cluster.existing:
            what = f"{cluster.name} is an existing cluster, and the lab does not capture packets on its nodes"
            raise CaptureUnavailableError(what, next="use a cluster that the lab creates")
        return self.kind.capture(lab.created, cluster)


@dataclass(frozen=True)
class MixedShell:
    """Implements `lab.clusters.provider.NodeShell`."""

    kind: NodeShell

    def run(self, cluster: Cluster, argv: Sequence[str], *, check: bool = True, timeout_s: float = 60) -> Completed:
        """Run a command in a created cluster's node."""
        _check(cluster, what="does not run commands on its nodes")
        return self.kind.run(cluster, argv, check=check, timeout_s=timeout_s)

    def logs(self, cluster: Cluster) -> str:
        """Return the log of a created cluster's node."""
        if cluster.existing:
            return f"{cluster.name} is an existing cluster, and the lab does not read its nodes"
        return self.kind.logs(cluster)


@dataclass(frozen=True)
class MixedProvider:
    """Implements `lab.clusters.provider.Provider`."""

    kind: KindProvider = field(default_factory=KindProvider)

    @property
    def power(self) -> MixedPower:
        """The power of created clusters' nodes."""
        return MixedPower(self.kind.power)

    @property
    def wire(self) -> MixedWire:
        """The network between created clusters."""
        return MixedWire(self.kind.wire)

    @property
    def shell(self) -> MixedShell:
        """Commands in created clusters' nodes."""
        return MixedShell(self.kind.shell)

    def prepare(self, lab: Lab) -> StepResult:
        """Create what created clusters share."""
        return self.kind.prepare(lab.created) if lab.created.clusters else UNCHANGED

    def ensure(self, lab: Lab, cluster: Cluster, *, image: str) -> StepResult:
        """Create or start a cluster, or adopt an existing one."""
        if cluster.existing:
            return existing.ensure(lab, cluster)
        if cluster.name in (one.name for one in existing.adopted(lab)):
            raise ClusterError(
                "the lab is in an existing cluster of this name, and lab.toml names no `context` for it now",
                where=cluster.name,
                next="write `context` into lab.toml again, then `lab down`, then change it",
            )
        return self.kind.ensure(lab.created, cluster, image=image)

    def look(self, lab: Lab) -> dict[str, Node]:
        """Return the nodes of all clusters; each existing cluster counts as one."""
        created = self.kind.look(lab.created) if lab.created.clusters else {}
        others = {name: existing.look(lab, lab.clusters[name]) for name in lab.spec.existing}
        found = {**created, **others}
        return {name: found[name] for name in lab.clusters if name in found}

    def ensure_images(self, lab: Lab, cluster: Cluster, images: Sequence[str]) -> StepResult:
        """Load images into a created cluster's node; an existing cluster pulls them."""
        return UNCHANGED if cluster.existing else self.kind.ensure_images(lab.created, cluster, images)

    def owned(self, lab: Lab) -> list[OwnedResource]:
        """List what the lab owns in existing clusters and on this machine."""
        return [*existing.owned(lab), *self.kind.owned(lab.created)]

    def foreign(self, lab: Lab) -> str:
        """Return whose created clusters of this name are, if another lab's."""
        return self.kind.foreign(lab.created)

    def has_lab(self, name: str) -> bool:
        """Return whether a lab of this name has clusters on this machine."""
        return self.kind.has_lab(name)

    def remove_cluster(self, lab: Lab, cluster: Cluster) -> None:
        """Delete a created cluster: no existing one joins or leaves."""
        self.kind.remove_cluster(lab.created, cluster)

    def remove(self, lab: Lab) -> list[str]:
        """Delete what the lab has in existing clusters, then everything on this machine."""
        # Existing clusters first: if one does not answer, the lab's files still have its credentials.
        clusters = existing.adopted(lab)
        each(lambda cluster: removal.check(lab, cluster), clusters)
        kept = each(lambda cluster: removal.remove(lab, cluster), clusters)
        for cluster in clusters:
            existing.forget(lab, cluster)
        return [*(words for one in kept for words in one), *self.kind.remove(lab.created)]

    def abandon(self, lab: Lab, cluster: str) -> None:
        """Forget an existing cluster, and leave what the lab has there."""
        known = [one for one in existing.adopted(lab) if one.name == cluster]
        for one in known:
            existing.forget(lab, one)
