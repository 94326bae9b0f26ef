"""The lab plays the cloud: a Service of type LoadBalancer gets its node's address.

kube-proxy then takes what arrives for that address and the Service's port, on the node as well as from the other
clusters' nodes (Kubernetes documentation, "Service", `.status.loadBalancer`). No controller runs for it: a status stays
until somebody writes another one, and the node keeps its address.
"""

from __future__ import annotations

from lab.base import wait
from lab.base.wait import NotYet
from lab.clusters.kind import network
from lab.kube import Kube, owned
from lab.kube.objects import Ref
from lab.kube.owned import Grounds


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
    address = network.node_address(kube)

    def write() -> bool | NotYet:
        if kube.get(service) is None:
            return NotYet("it does not exist")
        ingress = [{"ip": address, "ipMode": "VIP"}]
        status = {"status": {"loadBalancer": {"ingress": ingress}}}
        owned.change(kube, service, status, status=True, grounds=Grounds.LOAD_BALANCER)
        return True

    wait.until(f"{kube.cluster.name}: {service} has address {address}", write, timeout_s=timeout_s)
