"""The lab: its specification, its folders, its artifacts and its clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from lab.artifacts.store import ArtifactStore
from lab.base import entrances
from lab.base.names import SCENARIO_LABEL, Cluster, node_name
from lab.base.paths import Paths
from lab.config import LabSpec, joined
from lab.kube import Kube
from lab.kube.objects import Obj
from lab.kube.owned import Owned, Owner


class Extension(Protocol):
    """What a profile of `lab initialize` changes in a lab (`lab.initialize.lab_profile`)."""

    def extended(self, stack: Any) -> Any:
        """Return a stack (`lab.stacks.model.Stack`) with the components of the profile."""

    def edited(self, lab: Lab, component: str, cluster: str, objects: Sequence[Obj]) -> Sequence[Obj]:
        """Return the objects of one of the stack's components, with the edits that the profile needs."""


@dataclass(frozen=True, kw_only=True)
class Lab:
    """One lab: its specification (`spec`), its files and folders (`paths`) and its artifacts."""

    spec: LabSpec
    paths: Paths
    artifacts: ArtifactStore
    node_image: str | None = None
    """An artifact that replaces the stack's node image; `bench` uses it to measure the loading of images."""
    extension: Extension | None = None
    """The profile that the lab was brought up with."""
    keeps_keys: bool = True
    """Whether renderings are kept with their private keys; `lab initialize` renders objects without any."""

    @classmethod
    def of(cls, spec: LabSpec) -> Lab:
        """Return the lab that a specification describes, with its folders on this machine and clusters that joined it.

        Raises:
            ConfigError: a cluster that joined cannot be with those of lab.toml.
        """
        paths = Paths.of(spec.name)
        paths.check_access()
        spec = joined.extended(spec, joined.read(paths.joined))
        return cls(spec=spec, paths=paths, artifacts=ArtifactStore.of(spec, paths))

    def refreshed(self) -> Lab:
        """Return the lab with a store that looks for all artifacts again."""
        return replace(self, artifacts=ArtifactStore.of(self.spec, self.paths))

    def without(self, cluster: str) -> Lab:
        """Return the lab without a cluster that joined it."""
        return replace(self, spec=joined.without(self.spec, cluster))

    @property
    def id(self) -> str:
        """The lab's random id; empty before the first `lab up`."""
        return self.paths.read_lab_id()

    def owner(self, part: str) -> Owner:
        """Return the owner of a part's objects; a part is a component such as podinfo, or all exports."""
        return Owner(lab=self.spec.name, lab_id=self.id, part=part)

    def owned(self, kube: Kube, part: str) -> Owned:
        """Return a part's objects in one cluster."""
        return Owned(kube, self.owner(part))

    def made_by_scenario(self, kube: Kube, scenario: str = "") -> Owned:
        """Return the objects of a scenario in one cluster ("dev": of `lab dev`); by default of all, to delete them."""
        return Owned(kube, Owner(lab=self.spec.name, lab_id=self.id, part=scenario, label=SCENARIO_LABEL))

    @property
    def east(self) -> Cluster:
        """The cluster in the role of East: shared, the target of the talk's link."""
        return self.clusters[self.spec.roles.east]

    @property
    def west(self) -> Cluster:
        """The cluster in the role of West: the laptop, the source of the talk's link."""
        return self.clusters[self.spec.roles.west]

    def image(self, name: str, cluster: str) -> str:
        """Return the reference by which a cluster's nodes have an image, or an existing cluster pulls it.

        Raises:
            ArtifactError: this machine does not have it; or an existing cluster cannot pull it from anywhere.
        """
        return self.artifacts.pulled_as(name) if self.spec.clusters[cluster].existing else self.artifacts.image(name)

    def ingress_url(self, cluster: str) -> str:
        """Return the URL of a cluster's ingress for requests from this machine.

        Raises:
            LabError: it is an existing cluster, whose ingress has no address yet.
        """
        if self.spec.clusters[cluster].existing:
            return entrances.url(self.paths.ingresses, cluster)
        return f"http://127.0.0.1:{self.spec.clusters[cluster].ingress_port}"  # localhost may be an IPv6 address

    def page_url(self, cluster: str) -> str:
        """Return the URL of a cluster's frontend for a browser on this machine; empty if there is none yet."""
        if not self.spec.clusters[cluster].existing:
            return f"http://localhost:{self.spec.clusters[cluster].ingress_port}"
        return self.ingress_url(cluster) if entrances.address(self.paths.ingresses, cluster) else ""

    @property
    def created(self) -> Lab:
        """The lab with the clusters that it creates, without existing ones."""
        if not self.spec.existing:
            return self
        clusters = {name: one for name, one in self.spec.clusters.items() if not one.existing}
        return replace(self, spec=self.spec.model_copy(update={"clusters": clusters}))

    @property
    def clusters(self) -> Mapping[str, Cluster]:
        """Every cluster of the lab by name, in the order of lab.toml, then those that joined; up or not."""
        return {
            name: Cluster(
                name=name,
                context=name,
                kubeconfig=self.paths.kubeconfig,
                node="" if spec.existing else node_name(self.spec.name, name),
                existing=spec.existing,
                server=spec.server or "",
            )
            for name, spec in self.spec.clusters.items()
        }
