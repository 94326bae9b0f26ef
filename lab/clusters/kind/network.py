"""Create the lab's Docker network, with labels and an explicit subnet, so that nodes keep their addresses.

On kind's default network, addresses depend on the order in which nodes start. Only a network that was created with a
subnet accepts chosen addresses (Docker documentation, `docker network connect --ip`).
"""

from __future__ import annotations

from ipaddress import IPv4Network

from lab.base.errors import ClusterError, HostError
from lab.base.names import LABEL_PREFIX
from lab.base.step import CHANGED, UNCHANGED, StepResult
from lab.config import LabSpec
from lab.host.doctor.snapshot import HostProbes
from lab.host.machine import Machine
from lab.host.ownership import HOME_LABEL, LabIdentity, whose
from lab.host.subnets import RANGE, ROUTES, used
from lab.kube import Kube
from lab.kube.objects import Ref
from lab.tools.docker import Docker
from lab.tools.docker_records import Network

API_PORT = 6443
"""Port of the API server at a node's address (kubeadm's default)."""
_BRIDGE = "bridge"
"""The engine's default network, which has the engine's MTU."""
_MTU = "com.docker.network.driver.mtu"


def find(docker: Docker, identity: LabIdentity) -> Network | None:
    """Return the lab's network, or None if it does not exist.

    Raises:
        ClusterError: a network of that name exists and is not the lab's.
    """
    found, name = docker.network(identity.name), identity.name
    if found is not None and not identity.owns_network(found):
        another = HOME_LABEL in found.labels
        raise ClusterError(
            f"there is a Docker network {name!r}, which {whose(found.labels.get(HOME_LABEL, ''))}; it was not touched",
            next="another `name` in lab.toml"
            + ("" if another else f", or `docker network rm {name}` if nobody needs it"),
        )
    return found


def is_there(docker: Docker, identity: LabIdentity) -> bool:
    """Return whether the lab's network exists; a network of that name that is not the lab's does not count."""
    found = docker.network(identity.name)
    return found is not None and identity.owns_network(found)


def ensure(
    docker: Docker,
    spec: LabSpec,
    identity: LabIdentity,
    *,
    before: IPv4Network | None = None,
    machine: Machine,
    probes: HostProbes,
) -> StepResult:
    """Create the lab's network if it does not exist, with the engine's MTU.

    Args:
        docker: the engine.
        spec: the lab.
        identity: the lab's identity, with an id.
        before: the subnet of the existing nodes' addresses; a network that was pruned gets it again.
        machine: this machine, for its routes.
        probes: reads its network interfaces.

    Raises:
        ClusterError: a network of that name is not the lab's, or has another subnet than in lab.toml.
        HostError: the subnet, or every possible subnet, is in use; the error names the user.
    """
    configured = spec.network.subnet
    found = find(docker, identity)
    if found is not None:
        if configured is not None and configured not in found.subnets:
            actual = ", ".join(str(subnet) for subnet in found.subnets)
            raise ClusterError(
                f"the network {spec.name!r} has the subnet {actual}, lab.toml says {configured}; it cannot change",
                next="lab down, then lab up",
            )
        return UNCHANGED
    subnets = used(spec, docker.networks(), probes.interfaces(), machine.read(ROUTES))
    if configured is None and before is not None:
        if taker := subnets.taker(before):
            raise HostError(
                f"the network {spec.name!r} is gone, and its subnet {before} is now in use by {taker}; the nodes keep "
                "their addresses for their lifetime",
                next=f"free {before}, then `lab up`; or `lab down`, then `lab up`",
            )
        _create(docker, identity, before)
        return CHANGED
    if configured is not None:
        if taker := subnets.taker(configured):
            raise HostError(
                f"the subnet {configured} is in use by {taker}", next="another [network] subnet in lab.toml, or none"
            )
        _create(docker, identity, configured)
        return CHANGED
    for subnet in subnets.free():
        try:
            _create(docker, identity, subnet)
        except HostError as error:
            if "subnet" not in error.what:
                raise
            continue  # another lab was faster, or the engine knows another use of this subnet
        return CHANGED
    raise HostError(f"no free subnet was found in {RANGE}", next="set [network] subnet in lab.toml")


def node_address(kube: Kube) -> str:
    """Return the address of a cluster's node for other clusters.

    Raises:
        ClusterError: the node has none.
    """
    node = kube.get(Ref(api_version="v1", kind="Node", name=kube.cluster.node))
    for address in (node or {}).get("status", {}).get("addresses", ()):
        if address["type"] == "InternalIP":
            return str(address["address"])
    raise ClusterError(f"the node {kube.cluster.node} has no address", where=kube.cluster.name, next="lab up")


def server_of(target: Kube) -> str:
    """Return the URL of a cluster's API server for other clusters; it survives restarts."""
    return f"https://{node_address(target)}:{API_PORT}"


def _create(docker: Docker, identity: LabIdentity, subnet: IPv4Network) -> None:
    bridge = docker.network(_BRIDGE)
    # As kind does: behind a VPN or in a virtual machine, packets of 1500 bytes may be lost.
    mtu = bridge.options.get(_MTU) if bridge is not None else None
    docker.create_network(
        identity.name,
        subnet=subnet,
        labels={**identity.labels, f"{LABEL_PREFIX}/subnet": str(subnet)},
        options={_MTU: mtu} if mtu else {},
    )
