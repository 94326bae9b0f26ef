"""The lab plays the cloud: a Service of type LoadBalancer gets its node's address.

kube-proxy then takes what arrives for that address and the Service's port, on the node as well as from the other
clusters' nodes (Kubernetes documentation, "Service", `.status.loadBalancer`). No controller runs for it: a status stays
until somebody writes another one, and the node keeps its address.
"""

from __future__ import annotations

from lab import wait
from lab.errors import ClusterError
from lab.kube import Kube
from lab.objects import Ref
from lab.wait import NotYet


def node_address(kube: Kube) -> str:
    """Return the address of a cluster's node, where other clusters reach it.

    Raises:
        ClusterError: the node has none.
    """
    node = kube.get(Ref(api_version="v1", kind="Node", name=kube.cluster.node))
    for address in (node or {}).get("status", {}).get("addresses", ()):
        if address["type"] == "InternalIP":
            return str(address["address"])
    raise ClusterError(f"the node {kube.cluster.node} has no address", where=kube.cluster.name, next="lab up")


def assigned(kube: Kube, service: Ref) -> str | None:
    """Return the address that a Service has, None where it has none."""
    found = kube.get(service) or {}
    ingress = found.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    address: str | None = ingress[0].get("ip")
    return address


def assign(kube: Kube, service: Ref, *, timeout_s: float = 60) -> None:
    """Give a Service its node's address, as soon as the Service is there.

    Raises:
        WaitTimeout: nobody made the Service.
    """
    address = node_address(kube)

    def write() -> bool | NotYet:
        if kube.get(service) is None:
            return NotYet("it is not there")
        ingress = [{"ip": address, "ipMode": "VIP"}]
        kube.patch(service, {"status": {"loadBalancer": {"ingress": ingress}}}, status=True)
        return True

    wait.until(f"{kube.cluster.name}: {service} has address {address}", write, timeout_s=timeout_s)
