"""Clusters from kind: each is one node container on the lab's network.

`lab.host.ownership` decides which node containers are the lab's. A finished cluster has a mark inside its node, with
its settings and its lab. A node without a mark is left over from a killed run, and is created again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from lab.base import events
from lab.base.concurrency import at_once
from lab.base.errors import ClusterError, LabError
from lab.base.names import LAB_ID_LABEL, LAB_LABEL, Cluster
from lab.base.step import CHANGED, UNCHANGED, StepResult, StepStatus
from lab.clusters import kubeconfig
from lab.clusters.kind import config as kind_config
from lab.clusters.kind import engine, loading, network, wake
from lab.clusters.kind.distance import delay_line
from lab.clusters.kind.power import KindPower
from lab.clusters.kind.shell import KindShell
from lab.clusters.kind.wire import KindWire
from lab.clusters.provider import STANDS_STILL, Node, NodeStatus, OwnedResource
from lab.host.doctor.snapshot import HostProbes
from lab.host.machine import Machine
from lab.host.ownership import HOME_LABEL, MARK, LabIdentity, cluster_of, read_mark, settle, whose
from lab.kube import connect, manifests, owned
from lab.kube.objects import Ref, labels_of
from lab.kube.owned import Grounds
from lab.lab import Lab
from lab.tools.docker import Docker
from lab.tools.docker_records import Container, Network
from lab.tools.kind import CLUSTER_LABEL, KindCli

_MAY_DIFFER = frozenset({"memory_mib", "lab_id", "home", "subnet"})


@dataclass(frozen=True, kw_only=True)
class NodeMark:
    """The settings of a cluster and its lab. Only the memory limit can change in the cluster's lifetime.

    Old marks lack `lab_id`, `home` and `subnet`.
    """

    pod_cidr: str
    service_cidr: str
    ingress_port: int
    address: str
    memory_mib: int | None = None
    lab_id: str = ""
    home: str = ""
    subnet: str = ""

    @property
    def network(self) -> IPv4Network:
        """The subnet of the node's address."""
        return IPv4Network(self.subnet or f"{self.address}/24", strict=False)


def kind_name(lab_name: str, cluster: str) -> str:
    """Return kind's name of a cluster."""
    return f"{lab_name}-{cluster}"


@dataclass(frozen=True)
class KindProvider:
    """Clusters from kind; implements `lab.clusters.provider.Provider`."""

    docker: Docker = field(default_factory=Docker)
    machine: Machine = field(default_factory=Machine)
    """This machine; its routes exclude subnets."""
    probes: HostProbes = field(default_factory=HostProbes)
    """Reads this machine's network interfaces."""

    @property
    def power(self) -> KindPower:
        """The nodes' power."""
        return KindPower(self.docker)

    @property
    def wire(self) -> KindWire:
        """The network between the nodes."""
        return KindWire(self.docker)

    @property
    def shell(self) -> KindShell:
        """Commands in nodes."""
        return KindShell(self.docker)

    def prepare(self, lab: Lab) -> StepResult:
        """Create the nodes' network, and start stopped nodes: another container could take a stopped node's address.

        A network that was deleted while its nodes were stopped is created with the same addresses.
        """
        if theirs := self.foreign(lab):
            raise ClusterError(f"{theirs}; it was not touched", next="set another `name` in lab.toml")
        identity = self._settle_identity(lab)
        pruned = {} if network.is_there(self.docker, identity) else self._marks(lab)
        before = next((mark.network for mark in pruned.values()), None)
        made = network.ensure(self.docker, lab.spec, identity, before=before, machine=self.machine, probes=self.probes)
        for name, mark in pruned.items():
            events.progress(f"connecting {name} to its network again")
            self._pin(lab, lab.clusters[name], mark.address)
        sleeping = [name for name, node in self.look(lab).items() if node.status in STANDS_STILL]
        for name in sleeping:
            self.power.resume(lab.clusters[name])
        if sleeping:
            nodes = ", ".join(lab.clusters[name].node for name in sleeping)
            return StepResult(status=StepStatus.CHANGED, detail=f"started {nodes}")
        return made

    def ensure(self, lab: Lab, cluster: Cluster, *, image: str) -> StepResult:
        """Create the cluster, start a stopped one, or replace one that a killed run left over."""
        node = self._own(lab, cluster)
        if node.status in STANDS_STILL:
            self.power.resume(cluster)
        mark = self._mark(node.name) if node.status not in {NodeStatus.ABSENT, NodeStatus.UNFINISHED} else None
        if mark is None:
            if node.status is not NodeStatus.ABSENT:
                events.progress("deleting a node that a killed run left over")
                self.docker.remove_container(node.name)
            self._create(lab, cluster, image)
            return CHANGED
        changed = node.status is not NodeStatus.RUNNING
        changed |= self._settle(lab, cluster, mark)
        changed |= self._adopt(lab, cluster, Path("missing"))
        self.power.start(cluster)
        changed |= self._relabel(lab, cluster)
        return CHANGED if changed else UNCHANGED

    def look(self, lab: Lab) -> dict[str, Node]:
        """Return the nodes of all clusters, with four commands for any number of clusters."""
        names = [cluster.node for cluster in lab.clusters.values()]
        containers = {container.name: container for container in self.docker.containers(names=names)}
        networks = self._networks(lab) if containers else []
        return {
            name: self._node(lab, cluster, containers.get(cluster.node), networks)
            for name, cluster in lab.clusters.items()
        }

    def ensure_images(self, lab: Lab, cluster: Cluster, images: Sequence[str]) -> StepResult:
        """Load images that the node lacks."""
        return loading.ensure(self.docker, lab, cluster, images)

    def owned(self, lab: Lab) -> list[OwnedResource]:
        """List the lab's containers, which are nodes and delay lines, and its network."""
        names = [node.name for node in (*delay_line.of_lab(self.docker, _identity(lab)), *self._containers(lab))]
        found = [OwnedResource(kind="container", name=name) for name in names]
        if network.is_there(self.docker, _identity(lab)):
            found.append(OwnedResource(kind="network", name=lab.spec.name))
        return found

    def remove_cluster(self, lab: Lab, cluster: Cluster) -> None:
        """Delete a cluster's delay lines, its node container with its volumes, and what the lab's files have of it."""
        node = self._own(lab, cluster)
        lines = delay_line.of_lab(self.docker, _identity(lab))
        at_once(self.docker.remove_container, [one.name for one in lines if cluster.name in delay_line.ends_of(one)])
        if node.status is not NodeStatus.ABSENT:
            self.docker.remove_container(node.name)
        if kubeconfig.forget(lab.paths.kubeconfig, cluster.context):
            _update_merged(lab)
        file = lab.paths.kind_config(cluster.name)
        for left in (file, file.with_suffix(".kubeconfig")):
            left.unlink(missing_ok=True)
        shutil.rmtree(lab.paths.loading(cluster.name), ignore_errors=True)

    def remove(self, lab: Lab) -> list[str]:
        """Delete the delay lines, the node containers with their volumes, and the network; nothing stays."""
        at_once(self.docker.remove_container, [line.name for line in delay_line.of_lab(self.docker, _identity(lab))])
        at_once(self.docker.remove_container, [container.name for container in self._containers(lab)])
        if network.is_there(self.docker, _identity(lab)):
            self.docker.remove_network(lab.spec.name)
        return []

    def has_lab(self, name: str) -> bool:
        """Return whether a lab of this name, of any user, has nodes or a network on this engine."""
        if self.docker.networks({LAB_LABEL: name}):
            return True
        return any(cluster_of(c.labels, name) is not None for c in self.docker.containers({CLUSTER_LABEL: None}))

    def foreign(self, lab: Lab) -> str:
        """Return a message with the owner if the network or a node of this name is another lab's, else nothing."""
        identity, networks = _identity(lab), self._networks(lab)
        for found in networks:
            if found.name == lab.spec.name and not identity.owns_network(found):
                return f"the Docker network {found.name!r} {whose(found.labels.get(HOME_LABEL, ''))}"
        for container in self.docker.containers({CLUSTER_LABEL: None}):
            named = cluster_of(container.labels, lab.spec.name) in lab.clusters
            if named and not identity.owns_node(container, networks, self._read_mark):
                owner = str(self._read_mark(container.name).get("home", ""))
                if owner:
                    return f"the node {container.name!r} {whose(owner)}"
        return ""

    def _settle_identity(self, lab: Lab) -> LabIdentity:
        """Return the lab's identity with its id; a lab without a state folder takes the id from its resources."""
        identity = _identity(lab)
        if identity.lab_id:
            return identity
        owned_networks = [found for found in self._networks(lab) if identity.owns_network(found)]
        known = [found.labels[LAB_ID_LABEL] for found in owned_networks if LAB_ID_LABEL in found.labels]
        known += [mark.lab_id for mark in self._marks(lab).values() if mark.lab_id]
        return settle(identity, known)

    def _marks(self, lab: Lab) -> dict[str, NodeMark]:
        """Return the marks of the lab's finished nodes, by cluster."""
        there = {container.name for container in self._containers(lab)}
        marks = {name: self._mark(cluster.node) for name, cluster in lab.clusters.items() if cluster.node in there}
        return {name: mark for name, mark in marks.items() if mark is not None}

    def _containers(self, lab: Lab) -> list[Container]:
        """Return all node containers of the lab, also of clusters that are no longer in lab.toml."""
        networks = self._networks(lab)
        return [c for c in self.docker.containers({CLUSTER_LABEL: None}) if self._owns(lab, c, networks)]

    def _networks(self, lab: Lab) -> list[Network]:
        return self.docker.networks({LAB_LABEL: lab.spec.name})

    def _owns(self, lab: Lab, container: Container, networks: Sequence[Network]) -> bool:
        return _identity(lab).owns_node(container, networks, self._read_mark)

    def _own(self, lab: Lab, cluster: Cluster) -> Node:
        """Return a cluster's node.

        Raises:
            ClusterError: a container of its name is not the lab's.
        """
        node = self._look(lab, cluster)
        if node.status is NodeStatus.FOREIGN:
            raise ClusterError(
                f"the container {node.name!r} exists and is not the lab's; it was not touched",
                where=cluster.name,
                next=f"set another `name` in lab.toml; or, if unused, `docker rm --force --volumes {node.name}`",
            )
        return node

    def _look(self, lab: Lab, cluster: Cluster) -> Node:
        container = self.docker.container(cluster.node)
        return self._node(lab, cluster, container, self._networks(lab) if container else [])

    def _node(self, lab: Lab, cluster: Cluster, container: Container | None, networks: Sequence[Network]) -> Node:
        if container is None:
            return Node(name=cluster.node, status=NodeStatus.ABSENT)
        of_kind = container.labels.get(CLUSTER_LABEL)
        if of_kind != kind_name(lab.spec.name, cluster.name) or not self._owns(lab, container, networks):
            return Node(name=cluster.node, status=NodeStatus.FOREIGN)
        status = _STATUS.get(container.status, NodeStatus.STOPPED)
        address = container.networks.get(lab.spec.name)
        if status is NodeStatus.RUNNING and address is None:
            status = NodeStatus.OFF_NETWORK
        return Node(name=cluster.node, status=status, address=str(address) if address else None, image=container.image)

    def _create(self, lab: Lab, cluster: Cluster, image: str) -> None:
        spec = lab.spec.clusters[cluster.name]
        name = kind_name(lab.spec.name, cluster.name)
        reference = lab.artifacts.image(image)
        config = kind_config.build(
            lab_name=lab.spec.name,
            lab_id=lab.id,
            kind_name=name,
            spec=spec,
            image=reference,
            engine=engine.engine(self.docker, reference, self.machine),
        )
        file = lab.paths.kind_config(cluster.name)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(manifests.dump(config), encoding="utf-8")
        own_kubeconfig = file.with_suffix(".kubeconfig")
        own_kubeconfig.unlink(missing_ok=True)
        KindCli(lab.artifacts.binary("kind")).create(
            name, config=file, kubeconfig=own_kubeconfig, network=lab.spec.name
        )
        self._adopt(lab, cluster, own_kubeconfig)
        own_kubeconfig.unlink()
        self.docker.set_restart_policy(cluster.node, "unless-stopped")
        memory_mib = lab.spec.resources.node_memory_mib
        if memory_mib is not None:
            self.docker.bound_memory(cluster.node, memory_mib)
        address = self._pin(lab, cluster, None)
        found = self.docker.network(lab.spec.name)
        subnet = str(found.subnets[0]) if found and found.subnets else ""
        self._write_mark(cluster.node, replace(_mark_of(lab, cluster, address), subnet=subnet))
        # `_pin` disconnected the node from its network for a moment.
        wake.wait_for_api(connect(cluster))

    def _pin(self, lab: Lab, cluster: Cluster, address: str | None) -> str:
        """Fix the node's address: by default its current one."""
        container = self.docker.container(cluster.node)
        current = container.networks.get(lab.spec.name) if container else None
        fixed = IPv4Address(address) if address else current
        if fixed is None:
            raise ClusterError(
                "the node has no address on the lab's network", where=cluster.name, next="lab down, then lab up"
            )
        if container is not None and lab.spec.name in container.networks:
            self.docker.disconnect(lab.spec.name, cluster.node)
        self.docker.connect(lab.spec.name, cluster.node, ip=fixed)
        return str(fixed)

    def _settle(self, lab: Lab, cluster: Cluster, mark: NodeMark) -> bool:
        """Compare a finished cluster with lab.toml, and apply changes that need no new cluster."""
        wanted = _mark_of(lab, cluster, mark.address)
        differ = [
            f"{key} is {value}, lab.toml says {asdict(wanted)[key]}"
            for key, value in asdict(mark).items()
            if key not in _MAY_DIFFER and value != asdict(wanted)[key]
        ]
        if differ:
            raise ClusterError(
                f"the cluster was created with other settings: {'; '.join(differ)}",
                where=cluster.name,
                next="lab down, then lab up; or restore the old values in lab.toml",
            )
        changed = False
        if self._look(lab, cluster).address != mark.address:
            self._pin(lab, cluster, mark.address)
            changed = True
        bound = wanted.memory_mib is not None and wanted.memory_mib != mark.memory_mib
        if bound and wanted.memory_mib is not None:
            self.docker.bound_memory(cluster.node, wanted.memory_mib)
        if bound or not mark.lab_id:
            self._write_mark(cluster.node, replace(wanted, subnet=mark.subnet))
            changed = True
        return changed

    def _adopt(self, lab: Lab, cluster: Cluster, kubeconfig_file: Path) -> bool:
        """Add the cluster to the lab's kubeconfig if it is missing, and update the user's kubeconfig."""
        if kubeconfig_file.exists():
            text = kubeconfig_file.read_text(encoding="utf-8")
        elif cluster.context in kubeconfig.contexts(lab.paths.kubeconfig):
            return False
        else:
            kind = KindCli(lab.artifacts.binary("kind"))
            text = kind.kubeconfig(kind_name(lab.spec.name, cluster.name))
        changed = kubeconfig.adopt(lab.paths.kubeconfig, name=cluster.context, from_kind=text)
        if changed:
            _update_merged(lab)
        return changed

    def _relabel(self, lab: Lab, cluster: Cluster) -> bool:
        wanted = kind_config.node_labels(lab.spec.name, lab.id, lab.spec.clusters[cluster.name])
        kube, node = connect(cluster), Ref(api_version="v1", kind="Node", name=cluster.node)
        found = kube.get(node)
        if found is None or wanted.items() <= labels_of(found).items():
            return False
        owned.change(kube, node, {"metadata": {"labels": wanted}}, grounds=Grounds.NODE)
        return True

    def _mark(self, node: str) -> NodeMark | None:
        try:
            return NodeMark(**self._read_mark(node))  # type: ignore[arg-type]
        except TypeError:
            return None

    def _read_mark(self, node: str) -> Mapping[str, object]:
        return read_mark(self.docker.read_file(node, MARK))

    def _write_mark(self, node: str, mark: NodeMark) -> None:
        self.docker.execute(node, ["cp", "/dev/stdin", MARK], input=json.dumps(asdict(mark)))


_STATUS = {
    "running": NodeStatus.RUNNING,
    "restarting": NodeStatus.RUNNING,
    "paused": NodeStatus.PAUSED,
    "created": NodeStatus.UNFINISHED,
    "removing": NodeStatus.UNFINISHED,
    "dead": NodeStatus.UNFINISHED,
}


def _update_merged(lab: Lab) -> None:
    """Give the user's own kubeconfig the lab's contexts of now, if it has any of them."""
    try:
        if kubeconfig.merged(lab):
            kubeconfig.merge(lab)
    except LabError as error:  # a lab works without the user's own kubeconfig
        events.progress(f"kubeconfig not updated: {error.where}: {error.what}")


def _identity(lab: Lab) -> LabIdentity:
    return LabIdentity.of(lab.spec.name, lab.paths)


def _mark_of(lab: Lab, cluster: Cluster, address: str) -> NodeMark:
    spec = lab.spec.clusters[cluster.name]
    return NodeMark(
        pod_cidr=str(spec.pod_cidr),
        service_cidr=str(spec.service_cidr),
        ingress_port=spec.ingress_port,
        address=address,
        memory_mib=lab.spec.resources.node_memory_mib,
        lab_id=lab.id,
        home=_identity(lab).home,
    )
