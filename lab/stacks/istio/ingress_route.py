"""Services carried across clusters by an ingress, on Istio: the talk's path through East's Ambassador.

In the other clusters a name of its own (`podinfo-by-ingress-east`) leads to the source's ingress, on the listener
that ends mutual TLS; there an HTTPRoute leads on to the service. The caller's proxy shows its workload's certificate
to the ingress and takes no other than the ingress's; podinfo gets both identities in X-Forwarded-Client-Cert.
"""

from __future__ import annotations

from typing import Any

from lab.base.names import NAMESPACE
from lab.clusters.kind import network
from lab.kube import Kube, connect
from lab.kube.objects import Obj, labelled
from lab.lab import Lab
from lab.mesh import by_ingress, names
from lab.stacks.istio import export
from lab.stacks.istio.ingress import FROM_MESH, FROM_MESH_PORT, parent

_NETWORKING = "networking.istio.io/v1"
_GATEWAY_API = "gateway.networking.k8s.io/v1"
_LEADS = (_GATEWAY_API, "HTTPRoute", NAMESPACE)
_KINDS = (
    (_NETWORKING, "VirtualService", NAMESPACE),
    (_NETWORKING, "DestinationRule", NAMESPACE),
    (_NETWORKING, "ServiceEntry", NAMESPACE),
    ("v1", "Service", NAMESPACE),
    _LEADS,
)


def apply(lab: Lab, service: str, source: str, *, identity: str) -> None:
    """Let the source's ingress carry a service's requests.

    Args:
        lab: whose clusters.
        service: that runs in `source`, with exactly one HTTP port.
        source: whose ingress.
        identity: of the ingress's proxy; a server with another one is refused.

    Raises:
        ClusterError: the service does not exist or has not one HTTP port; nothing was changed.
    """
    port = by_ingress.http_port(lab, service, source, origin=export.origin)
    address = network.node_address(connect(lab.clusters[source]))
    marks = by_ingress.labels(service, source)
    there = [labelled(route(service, source, port), marks)]
    calling = [
        labelled(obj, marks) for obj in caller_objects(service, source, port, address=address, identity=identity)
    ]
    wanted = [(by_ingress.owned(lab, name), there if name == source else calling) for name in lab.clusters]
    for objects, parts in wanted:
        objects.check(parts)
    for objects, parts in sorted(wanted, key=lambda pair: pair[1] is not there):
        objects.apply_all(parts)


def remove(lab: Lab, service: str, source: str) -> bool:
    """Take the path away; False when there was none."""
    return by_ingress.delete(lab, service, source, _KINDS)


def listed(kube: Kube) -> list[tuple[str, str]]:
    """Return the services that this cluster's ingress carries for others, each with its cluster."""
    return by_ingress.listed(kube, _LEADS)


def entrance(address: str | None) -> str:
    """Return where an ingress takes what is carried, as a URL."""
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
    """Return what a calling cluster needs: the name, and the way from it to the source's ingress."""
    metadata = {"name": by_ingress.name_of(service, source), "namespace": NAMESPACE}
    ingress = f"ingress.{source}.internal"
    tls: dict[str, Any] = {"mode": "ISTIO_MUTUAL", "sni": names.host(service), "subjectAltNames": [identity]}
    # HTTP rules see the name that was called; the ingress finds its route by the service's own.
    rule = {
        "route": [{"destination": {"host": ingress, "port": {"number": FROM_MESH_PORT}}}],
        "rewrite": {"authority": names.host(service)},
    }
    entry = {
        "hosts": [ingress],
        "location": "MESH_EXTERNAL",
        "resolution": "STATIC",
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
