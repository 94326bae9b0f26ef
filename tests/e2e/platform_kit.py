"""Clusters that the lab does not know: plain kind clusters of pytest-kind, with load balancers of their own.

They stand in for a platform such as GKE. Nothing of the lab's own clusters is used: another network, Kubernetes' usual
address ranges (the same in both clusters), kube-proxy's own forwarding, and addresses of Services that are not the
nodes'. Images come from a registry on this machine's loopback, to which each node has a way.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from pytest_kind import KindCluster

from lab import config
from lab.base import wait
from lab.base.names import Cluster
from lab.base.wait import NotYet
from lab.clusters.kind import config as kind_config
from lab.clusters.kind import engine
from lab.host.machine import Machine
from lab.kube import Kube, KubeError, manifests
from lab.kube.discovery import served
from lab.lab import Lab
from lab.tools.docker import Docker
from tests.e2e.conftest import CommandLine

NETWORK = "platform"
"""The Docker network of the clusters (KIND_EXPERIMENTAL_DOCKER_NETWORK)."""
REGISTRY_PORT = 27500
_CERTS_D = """\
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "/etc/containerd/certs.d"
"""
"""For containerd 1 and 2 (containerd documentation, "Registry configuration")."""
_HOSTS = """\
server = "http://{gateway}:{port}"
[host."http://{gateway}:{port}"]
  capabilities = ["pull", "resolve"]
"""
_SERVER = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {data}}}}}
http:
  addr: {address}
"""


@dataclass(frozen=True)
class ExistingCluster:
    """One cluster, with a context of its own name."""

    kind: KindCluster
    context: str

    @property
    def kubeconfig(self) -> Path:
        return Path(self.kind.kubeconfig_path)

    @property
    def node(self) -> str:
        return f"{self.kind.name}-control-plane"

    @property
    def kube(self) -> Kube:
        return Kube(Cluster(name=self.kind.name, context=self.context, kubeconfig=self.kubeconfig, node=self.node))

    @property
    def address(self) -> str:
        """The node's address on the platform's network."""
        form = f'{{{{(index .NetworkSettings.Networks "{NETWORK}").IPAddress}}}}'
        return docker("inspect", "--format", form, self.node).strip()

    def objects(self) -> dict[str, str]:
        """Return every object of the cluster, by its kind, namespace and name, with its labels.

        Without what Kubernetes writes by itself and continuously: events, leases, metrics, the pods of its own.
        """
        found = {}
        for version, kind, _ in served(self.kube):
            if kind in {"Event", "Lease", "PodMetrics", "NodeMetrics", "EndpointSlice", "Endpoints", "CSINode"}:
                continue
            for obj in self.kube.find(version, kind, metadata_only=True):
                metadata = obj["metadata"]
                name = f"{version} {kind} {metadata.get('namespace', '')}/{metadata['name']}"
                found[name] = json.dumps([metadata.get("uid"), metadata.get("labels")], sort_keys=True)
        return found


@dataclass
class LoadBalancers:
    """Gives Services of type LoadBalancer addresses of a pool, which the node answers for: as MetalLB does on layer 2.

    `gives` can be cleared, for a platform without load balancers.
    """

    cluster: ExistingCluster
    pool: Iterator[IPv4Address]
    gives: threading.Event = field(default_factory=threading.Event)
    _end: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Watch the Services until `stop`."""
        kube = self.cluster.kube
        given: dict[str, IPv4Address] = {}
        while not self._end.wait(0.5):
            with suppress(KubeError):
                for service in kube.find("v1", "Service"):
                    metadata = service["metadata"]
                    if service["spec"].get("type") != "LoadBalancer" or not self.gives.is_set():
                        continue
                    if (service.get("status") or {}).get("loadBalancer", {}).get("ingress"):
                        continue
                    address = given.setdefault(metadata["uid"], next(self.pool))
                    docker("exec", self.cluster.node, "ip", "address", "replace", f"{address}/32", "dev", "eth0")
                    self._write(metadata["namespace"], metadata["name"], str(address))

    def _write(self, namespace: str, name: str, address: str) -> None:
        status = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]}}})
        self.cluster.kind.kubectl(
            *("--namespace", namespace, "patch", "service", name),
            *("--subresource=status", "--type=merge", f"--patch={status}"),
        )

    def stop(self) -> None:
        self._end.set()


def docker(*args: str) -> str:
    return subprocess.run(["docker", *args], text=True, capture_output=True, check=True).stdout


@contextmanager
def registry(folder: Path, program: str) -> Iterator[str]:
    """Serve a registry on loopback and at the network's gateway; yield its name for pushes and pulls."""
    data = folder / "registry"
    running = []
    for number, host in enumerate(("127.0.0.1", gateway())):
        settings = folder / f"registry-{number}.yml"
        settings.write_text(_SERVER.format(data=data, address=f"{host}:{REGISTRY_PORT}"))
        with (folder / "registry.log").open("ab") as log:
            running.append(subprocess.Popen([program, "serve", str(settings)], stdout=log, stderr=log))
    try:
        yield f"127.0.0.1:{REGISTRY_PORT}"
    finally:
        for server in running:
            server.terminate()
            server.wait(10)


def subnet() -> IPv4Network:
    """Return the network's subnet."""
    (found,) = json.loads(docker("network", "inspect", NETWORK))
    return next(
        network for one in found["IPAM"]["Config"] if isinstance(network := _network(one["Subnet"]), IPv4Network)
    )


def _network(text: str) -> Any:
    from ipaddress import ip_network

    return ip_network(text)


def gateway() -> str:
    """Return this machine's address on the network."""
    return str(next(subnet().hosts()))


@contextmanager
def network() -> Iterator[None]:
    """Create the clusters' network."""
    if NETWORK not in docker("network", "ls", "--format", "{{.Name}}").split():
        docker("network", "create", "--subnet", "172.29.0.0/16", NETWORK)
    try:
        yield
    finally:
        docker("network", "rm", NETWORK)


@contextmanager
def cluster(name: str, folder: Path, here: CommandLine) -> Iterator[ExistingCluster]:
    """Create a cluster with the node image of a lab, and delete it."""
    lab = Lab.of(config.load(here.file))
    image = lab.artifacts.image("node-base")
    limits = engine.engine(Docker(), image, Machine())
    spec = config.parse("").clusters["east"]
    settings: dict[str, Any] = dict(
        kind_config.build(lab_name="", lab_id="", kind_name=name, spec=spec, image=image, engine=limits)
    )
    settings["networking"] = {"apiServerAddress": "127.0.0.1"}
    settings["nodes"] = [
        {key: value for key, value in node.items() if key in {"role", "image", "kubeadmConfigPatches"}}
        for node in settings["nodes"]
    ]
    settings["containerdConfigPatches"] = [*settings.get("containerdConfigPatches", ()), _CERTS_D]
    file = folder / f"{name}.yaml"
    file.write_text(manifests.dump(settings))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)  # it creates a folder there
        made = KindCluster(
            name,
            kubeconfig=folder / f"{name}.kubeconfig",
            kind_path=lab.artifacts.binary("kind"),
            kubectl_path=lab.artifacts.binary("kubectl"),
        )
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("KIND_EXPERIMENTAL_DOCKER_NETWORK", NETWORK)
            made.create(config_file=file)
        node = f"{name}-control-plane"
        place = f"/etc/containerd/certs.d/127.0.0.1:{REGISTRY_PORT}"
        hosts = _HOSTS.format(gateway=gateway(), port=REGISTRY_PORT)
        docker("exec", node, "mkdir", "-p", place)
        docker("exec", node, "sh", "-c", f"printf '%s' '{hosts}' > {place}/hosts.toml")
        yield ExistingCluster(kind=made, context=f"kind-{name}")
    finally:
        made.delete()


def pool(number: int) -> Iterator[IPv4Address]:
    """Return the addresses that one cluster's load balancers have: the last of the network's, away from the nodes'."""
    first = int(subnet().network_address) + (200 + number) * 256
    return (IPv4Address(first + offset) for offset in range(1, 200))


@contextmanager
def load_balancers(clusters: Sequence[ExistingCluster]) -> Iterator[list[LoadBalancers]]:
    """Run a controller of load balancers for each cluster."""
    made = [LoadBalancers(one, pool(number)) for number, one in enumerate(clusters)]
    threads = [threading.Thread(target=one.run, daemon=True) for one in made]
    for one in made:
        one.gives.set()
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        for one in made:
            one.stop()
        for thread in threads:
            thread.join(10)


def wait_still(cluster: ExistingCluster, *, timeout_s: float = 90) -> dict[str, str]:
    """Return the objects of a new cluster when they do not change any more."""
    last: list[dict[str, str]] = [{}]

    def still() -> bool | NotYet:
        now = cluster.objects()
        before, last[0] = last[0], now
        changed = {name for name in now.keys() | before.keys() if now.get(name) != before.get(name)}
        return not changed or NotYet(f"{len(changed)} objects change")

    wait.until(f"{cluster.kind.name} to be still", still, timeout_s=timeout_s, interval_s=3, successes=2)
    return last[0]
