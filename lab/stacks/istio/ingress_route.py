"""Ingress routes on Istio: the talk's path through East's Ambassador.

In the other clusters, a Service such as `podinfo-by-ingress-east` routes to the source's ingress, on the listener that
terminates mutual TLS; there an HTTPRoute routes to the service. The caller's proxy sends its workload's certificate and
accepts only the ingress's identity. podinfo gets both identities in X-Forwarded-Client-Cert.
"""

from __future__ import annotations

from typing import Any

from lab.base import hosts
from lab.base.names import NAMESPACE
from lab.components import load_balancer
from lab.kube import Kube, connect
from lab.kube.objects import Obj, labelled
from lab.lab import Lab
from lab.mesh import by_ingress, names
from lab.stacks.istio import export
from lab.stacks.istio.ingress import FROM_MESH, FROM_MESH_PORT, SERVICE, parent

_NETWORKING = "networking.istio.io/v1"
_GATEWAY_API = "gateway.networking.k8s.io/v1"
_ROUTE = (_GATEWAY_API, "HTTPRoute", NAMESPACE)
_KINDS = (
    (_NETWORKING, "VirtualService", NAMESPACE),
    (_NETWORKING, "DestinationRule", NAMESPACE),
    (_NETWORKING, "ServiceEntry", NAMESPACE),
    ("v1", "Service", NAMESPACE),
    _ROUTE,
)


def apply(lab: Lab, service: str, source: str, *, identity: str) -> None:
    """Apply an ingress route.

    Args:
        lab: the lab with the clusters.
        service: a service of `source` with exactly one HTTP port.
        source: the cluster of the service and the ingress.
        identity: identity of the ingress's proxy; callers refuse a server with another one.

    Raises:
        ClusterError: the service does not exist or does not have exactly one HTTP port; nothing was changed.
    """
    port = by_ingress.http_port(lab, service, source, origin=export.origin)
    address = load_balancer.address(connect(lab.clusters[source]), SERVICE)
    labels = by_ingress.labels(service, source)
    at_source = [labelled(route(service, source, port), labels)]
    at_callers = [
        labelled(obj, labels) for obj in caller_objects(service, source, port, address=address, identity=identity)
    ]
    callers = export.importers(lab, source)
    wanted = [(by_ingress.owned(lab, source), at_source)]
    wanted += [(by_ingress.owned(lab, name), at_callers) for name in callers]
    for objects, parts in wanted:
        objects.check(parts)
    for objects, parts in sorted(wanted, key=lambda pair: pair[1] is not at_source):
        objects.apply_all(parts)


def remove(lab: Lab, service: str, source: str) -> bool:
    """Delete an ingress route; return False if there was none."""
    return by_ingress.delete(lab, service, source, _KINDS)


def listed(kube: Kube) -> list[tuple[str, str]]:
    """Return the ingress routes of a cluster, each as (service, source cluster)."""
    return by_ingress.listed(kube, _ROUTE)


def entrance(address: str | None) -> str:
    """Return the URL of an ingress's listener for other clusters."""
    return f"https://{address}:{FROM_MESH_PORT}/"


def route(service: str, source: str, port: int) -> Obj:
    """Return the source's HTTPRoute: from the ingress's listener for the mesh to the service."""
    return {
        "apiVersion": _GATEWAY_API,
        "kind": "HTTPRoute",
        "metadata": {"name": by_ingress.name_of(service, source), "namespace": NAMESPACE},
        "spec": {
            "parentRefs": [parent(FROM_MESH)],
            "hostnames": [names.host(service)],
            "rules": [{"backendRefs": [{"name": service, "port": port}]}],
        },
    }


def caller_objects(service: str, source: str, port: int, *, address: str, identity: str) -> list[Obj]:
    """Return the objects for a calling cluster: a Service with the route's name, and the route to the ingress."""
    metadata = {"name": by_ingress.name_of(service, source), "namespace": NAMESPACE}
    ingress = f"ingress.{source}.internal"
    tls: dict[str, Any] = {"mode": "ISTIO_MUTUAL", "sni": names.host(service), "subjectAltNames": [identity]}
    # Callers send the name of the route; the ingress's HTTPRoute matches the name of the service.
    rule = {
        "route": [{"destination": {"host": ingress, "port": {"number": FROM_MESH_PORT}}}],
        "rewrite": {"authority": names.host(service)},
    }
    entry = {
        "hosts": [ingress],
        "location": "MESH_EXTERNAL",
        "resolution": "STATIC" if hosts.is_address(address) else "DNS",  # a cloud may give a host name
        "ports": [{"number": FROM_MESH_PORT, "name": "http", "protocol": "HTTP"}],
        "endpoints": [{"address": address}],
    }
    service_port = {"name": "http", "port": port, "targetPort": port, "protocol": "TCP", "appProtocol": "http"}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [service_port]}},
        {"apiVersion": _NETWORKING, "kind": "ServiceEntry", "metadata": metadata, "spec": entry},
        {
            "apiVersion": _NETWORKING,
            "kind": "DestinationRule",
            "metadata": metadata,
            "spec": {"host": ingress, "trafficPolicy": {"tls": tls}},
        },
        {
            "apiVersion": _NETWORKING,
            "kind": "VirtualService",
            "metadata": metadata,
            "spec": {"hosts": [names.host(by_ingress.name_of(service, source))], "http": [rule]},
        },
    ]
