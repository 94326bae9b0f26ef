"""The tables of lab.toml; `LabSpec` is the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, StrictBool, StrictInt

from lab.base.distance import Distance
from lab.base.names import STACKS
from lab.config.values import (
    Cidr,
    Color,
    DnsLabel,
    Domain,
    Kbit,
    LabelValue,
    Line,
    Milliseconds,
    Mirror,
    Pair,
    Percent,
    PinnedImage,
    PortNumber,
    Server,
    tables_only,
)


class Table(BaseModel):
    """A table, which does not change and has no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PodinfoSpec(Table):
    """Colour, message and replicas of a cluster's podinfo."""

    color: Color
    message: Line = Field(max_length=80)
    replicas: StrictInt = Field(default=1, ge=0, le=20)


class ClusterSpec(Table):
    """One cluster, which the lab creates with kind, or an existing one, which `context` names.

    The CIDRs of a created one must not overlap another's, or routes between them are ambiguous. Of an existing one, the
    lab uses neither the CIDRs nor `ingress_port`: it has its own.

    `kubeconfig`: the file with the context; by default kubectl's. `server`: the URL of its API server for other
    clusters; by default the kubeconfig's. `reachable`: whether other clusters reach it; false behind a NAT.
    """

    context: Line | None = Field(default=None, min_length=1)
    kubeconfig: Line | None = Field(default=None, min_length=1)
    server: Server | None = None
    reachable: StrictBool = True
    stands_in_for: Line = Field(max_length=40)
    region: LabelValue
    zone: LabelValue
    pod_cidr: Cidr
    service_cidr: Cidr
    ingress_port: PortNumber
    trust_domain: Domain
    podinfo: PodinfoSpec

    @property
    def existing(self) -> bool:
        """Whether it exists without the lab, which installs into it and never touches its nodes."""
        return self.context is not None


class NetworkSpec(Table):
    """The Docker network of the nodes. Without `subnet` the lab chooses the first free one.

    `flat`: pods reach the pods of other clusters by their addresses; federated services need this.
    """

    subnet: Cidr | None = None
    flat: StrictBool = False


class ArtifactsSpec(Table):
    """Sources of images and binaries. `mirror` is a registry host that replaces upstream's.

    `source`: "upstream" builds nothing that upstream publishes, "packages" pulls nothing that the lab can build, "auto"
    builds what upstream cannot give. `local` is a folder with upstream's programs and charts, for artifacts that are
    never built (Linkerd, Emissary). `registry` is where existing clusters pull the images that upstream does not have.
    """

    source: Literal["auto", "packages", "upstream"] = "auto"
    registry: Mirror | None = None
    local: str | None = Field(default=None, min_length=1)
    mirror: Mirror | None = None


class ResourcesSpec(Table):
    """Limits on the lab's use of this machine. By default: a build job for each core, no memory limit."""

    build_jobs: StrictInt | None = Field(default=None, ge=1, le=64)
    node_memory_mib: StrictInt | None = Field(default=None, ge=1024, le=1 << 20)


class RolesSpec(Table):
    """The clusters in the talk's two roles. Scenarios, command defaults and exports follow from them.

    `east`: the shared cluster, which runs the services that others call (the target of the talk's link).
    `west`: the laptop's cluster, whose frontend calls them (the source).
    """

    east: DnsLabel = "east"
    west: DnsLabel = "west"


class LinkSpec(Table):
    """The distance between two clusters, which are written in any order; it does not create a link of the meshes."""

    between: Pair
    delay: Milliseconds = 0.0
    jitter: Milliseconds = 0.0
    loss: Percent = 0.0
    rate: Kbit = 0

    @property
    def distance(self) -> Distance:
        """The distance as it is set."""
        return Distance(delay_ms=self.delay, jitter_ms=self.jitter, loss_percent=self.loss, rate_kbit=self.rate)


class StageSpec(Table):
    """The stage, `lab stage`: its port on 127.0.0.1. The clusters' frontends let pages from there show them."""

    port: PortNumber = 7465


class HaSpec(Table):
    """High availability. `gateways`: the pods of each cluster's east-west gateway."""

    gateways: StrictInt = Field(default=1, ge=1, le=3)


class LabSpec(Table):
    """The specification of a whole lab."""

    name: DnsLabel = "eastwest"
    stack: Literal["auto", *STACKS] = "auto"  # type: ignore[valid-type]  # one list of stacks for all
    roles: RolesSpec = RolesSpec()
    viz: StrictBool = False
    clusters: dict[DnsLabel, ClusterSpec]
    network: NetworkSpec = NetworkSpec()
    artifacts: ArtifactsSpec = ArtifactsSpec()
    resources: ResourcesSpec = ResourcesSpec()
    stage: StageSpec = StageSpec()
    ha: HaSpec = HaSpec()
    exports: dict[DnsLabel, tuple[str, ...]]
    links: Annotated[tuple[LinkSpec, ...], BeforeValidator(tables_only)] = ()
    versions: dict[str, PinnedImage] = {}
    _file: Path | None = PrivateAttr(default=None)
    _joined: tuple[str, ...] = PrivateAttr(default=())

    @property
    def file(self) -> Path | None:
        """The lab.toml that it was read from; None for the default lab."""
        return self._file

    @property
    def joined(self) -> tuple[str, ...]:
        """The clusters that are not in lab.toml: `lab cluster add` added them (`lab.config.joined`)."""
        return tuple(name for name in self._joined if name in self.clusters)

    @property
    def existing(self) -> tuple[str, ...]:
        """The clusters that exist without the lab."""
        return tuple(name for name, cluster in self.clusters.items() if cluster.existing)

    def reaches(self, source: str, target: str) -> bool:
        """Whether a cluster reaches another one's gateway and API server.

        Clusters of kind are on a network of this machine: they reach each other, and existing ones do not reach them.
        """
        to, created = self.clusters[target], not self.clusters[source].existing
        return to.reachable if to.existing else created

    @property
    def mesh_id(self) -> str:
        """Name of the mesh that spans the clusters."""
        return self.name
