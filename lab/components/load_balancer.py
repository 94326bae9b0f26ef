"""Give a Service of type LoadBalancer its node's address, in the role of a cloud's load balancer controller.

kube-proxy then forwards connections to that address and the Service's port, from the node and from other clusters'
nodes (Kubernetes documentation, "Service", `.status.loadBalancer`). No controller is needed: the status stays until
somebody writes another one, and the node keeps its address.
"""

from __future__ import annotations

from lab.base import wait
from lab.base.wait import NotYet
from lab.clusters.kind import network
from lab.kube import Kube, owned
from lab.kube.objects import Ref
from lab.kube.owned import Grounds


def assigned(kube: Kube, service: Ref) -> str | None:
    """Return a Service's load balancer address, None if it has none."""
    obj = kube.get(service) or {}
    ingress = obj.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    address: str | None = ingress[0].get("ip")
    return address


def assign(kube: Kube, service: Ref, *, timeout_s: float = 60) -> None:
    """Write the node's address into a Service's status, as soon as the Service exists.

    Raises:
        WaitTimeout: the Service does not exist.
    """
    address = network.node_address(kube)

    def write() -> bool | NotYet:
        if kube.get(service) is None:
            return NotYet("it does not exist")
        ingress = [{"ip": address, "ipMode": "VIP"}]
        status = {"status": {"loadBalancer": {"ingress": ingress}}}
        owned.change(kube, service, status, status=True, grounds=Grounds.LOAD_BALANCER)
        return True

    wait.until(f"{service} in {kube.cluster.name}", write, timeout_s=timeout_s)
