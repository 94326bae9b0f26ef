"""Addresses of Services of type LoadBalancer.

| cluster | who assigns the address |
| --- | --- |
| created by the lab | the lab, in the role of a cloud's load balancer controller: the node's address |
| existing | its platform: an IP address or a host name |

kube-proxy forwards connections to the node's address and the Service's port, from the node and from other clusters'
nodes (Kubernetes documentation, "Service", `.status.loadBalancer`). No controller is needed: the status stays until
somebody writes another one, and the node keeps its address.
"""

from __future__ import annotations

from lab.base import entrances, wait
from lab.base.errors import ClusterError
from lab.base.names import Cluster
from lab.base.wait import NotYet
from lab.clusters.kind import network
from lab.kube import Kube, connect, owned
from lab.kube.objects import Obj, Ref
from lab.kube.owned import Grounds
from lab.lab import Lab

_CREATED_S = 60.0
_BY_A_PLATFORM_S = 300.0
"""Clouds take one to three minutes."""


def assigned(kube: Kube, service: Ref) -> str | None:
    """Return a Service's load balancer address, an IP address or a host name; None if it has none."""
    return _address(kube.get(service) or {})


def address(kube: Kube, service: Ref) -> str:
    """Return a Service's load balancer address.

    Raises:
        ClusterError: it has none.
    """
    found = assigned(kube, service)
    if found is None:
        raise ClusterError(f"{service} has no address", where=kube.cluster.name, next="lab up")
    return found


def problem(kube: Kube, service: Ref) -> str:
    """Return why a Service cannot be reached at its address; empty if it has the right one."""
    found = assigned(kube, service)
    if kube.cluster.existing:
        return "" if found else f"its Service has no address yet{_reason(kube, service)}"
    node = network.node_address(kube)
    return "" if found == node else f"its Service has address {found}, its node {node}"


def ensure(kube: Kube, service: Ref) -> None:
    """Give a Service its address, or wait until the platform has done so.

    Raises:
        WaitTimeout: the Service does not exist, or the platform gives it no address in time.
    """
    if kube.cluster.existing:
        _wait(kube, service)
    else:
        _assign(kube, service)


def ensure_entrance(lab: Lab, cluster: Cluster, service: Ref) -> None:
    """Do as `ensure` for the Service of a cluster's ingress, and remember its address; errors as `ensure`."""
    kube = connect(cluster)
    ensure(kube, service)
    if cluster.existing:
        lab.paths.ensure_state()
        entrances.record(lab.paths.ingresses, cluster.name, address(kube, service))


def is_known_entrance(lab: Lab, cluster: Cluster, service: Ref) -> bool:
    """Return whether the Service of a cluster's ingress has its address, and this machine remembers it."""
    kube = connect(cluster)
    if problem(kube, service):
        return False
    return not cluster.existing or entrances.address(lab.paths.ingresses, cluster.name) == assigned(kube, service)


def _address(service: Obj) -> str | None:
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    found: str | None = ingress[0].get("ip") or ingress[0].get("hostname")
    return found


def _assign(kube: Kube, service: Ref) -> None:
    found = network.node_address(kube)

    def write() -> bool | NotYet:
        if kube.get(service) is None:
            return NotYet("it does not exist")
        ingress = [{"ip": found, "ipMode": "VIP"}]
        status = {"status": {"loadBalancer": {"ingress": ingress}}}
        owned.change(kube, service, status, status=True, grounds=Grounds.LOAD_BALANCER)
        return True

    wait.until(f"{service} in {kube.cluster.name}", write, timeout_s=_CREATED_S)


def _wait(kube: Kube, service: Ref) -> None:
    def has_address() -> bool | NotYet:
        obj = kube.get(service)
        if obj is None:
            return NotYet("it does not exist")
        return _address(obj) is not None or NotYet(f"the platform has given it none{_reason(kube, service)}")

    cluster = kube.cluster
    wait.until(
        f"an address of {service} in {cluster.name}",
        has_address,
        timeout_s=_BY_A_PLATFORM_S,
        interval_s=1,
        next=f"kubectl --kubeconfig={cluster.kubeconfig} --context={cluster.context} --namespace={service.namespace} "
        f"describe service {service.name}; a cluster without load balancers needs one, such as MetalLB",
    )


def _reason(kube: Kube, service: Ref) -> str:
    """Return the newest warning about a Service, as the end of a sentence; empty without one."""
    found = [
        event
        for event in kube.find("v1", "Event", namespace=service.namespace)
        if (event.get("involvedObject") or {}).get("name") == service.name and event.get("type") == "Warning"
    ]
    newest = max(found, key=lambda event: str(event.get("lastTimestamp") or ""), default=None)
    return f": {' '.join(str(newest.get('message', '')).split())}" if newest else ""
