"""Ingress routes on Linkerd: the talk's path through East's Ambassador, which is Emissary now.

East's Emissary has a listener for meshed callers, whose Service is mirrored to the other clusters. There, an HTTPRoute
of a Service such as `podinfo-by-ingress-east` has that mirror as backend. It adds a header with the service's name,
because requests arrive at Emissary with the mirrored Service's name as authority. In East, a Mapping routes them by the
header. podinfo gets Emissary's identity from its own proxy, and the caller's in `forwarded`, which the gateway writes.
"""

from __future__ import annotations

from lab.base.names import NAMESPACE
from lab.kube import Kube, connect
from lab.kube.objects import Obj, labelled
from lab.lab import Lab
from lab.mesh import by_ingress
from lab.stacks.linkerd import emissary, export, multicluster, route

_HEADER = "x-lab-carry"
_MAPPING = (emissary.API, "Mapping", emissary.NAMESPACE)
_KINDS = (
    (route.API, "HTTPRoute", NAMESPACE),
    ("v1", "Service", NAMESPACE),
    _MAPPING,
)


def apply(lab: Lab, service: str, source: str) -> None:
    """Apply an ingress route.

    Raises:
        ClusterError: the service does not exist or does not have exactly one HTTP port; nothing was changed.
        NotOwnedError: another owner created an object of one of the names; nothing was changed.
        WaitTimeout: the ingress's Service is not mirrored, or the route is not accepted.
    """
    port = by_ingress.http_port(lab, service, source, origin=export.mirrored)
    export.need_gateway(lab, source)
    labels = by_ingress.labels(service, source)
    target = f"{service}.{NAMESPACE}:{port}"
    mapping = emissary.carried(by_ingress.name_of(service, source), header=(_HEADER, service), service=target)
    name, http_route = labelled(called(service, source, port), labels), labelled(_route(service, source, port), labels)
    callers = [by_ingress.owned(lab, other) for other in export.seen_by(lab, source)]
    for objects in callers:
        objects.check([name, http_route])
    export.check_mirrors(lab, emissary.FROM_MESH, source)
    by_ingress.owned(lab, source).apply(labelled(mapping, labels))
    export.mirror(lab, emissary.FROM_MESH, source)
    for objects in callers:
        objects.apply(name)
        route.write(objects, [http_route])


def remove(lab: Lab, service: str, source: str) -> bool:
    """Delete an ingress route, and the ingress's mirrors with the last one; return False if there was none."""
    gone = by_ingress.delete(lab, service, source, _KINDS)
    if not listed(connect(lab.clusters[source])):
        export.unmirror(lab, emissary.FROM_MESH, source)
    return gone


def listed(kube: Kube) -> list[tuple[str, str]]:
    """Return the ingress routes of a cluster, each as (service, source cluster)."""
    return by_ingress.listed(kube, _MAPPING)


def called(service: str, source: str, port: int) -> Obj:
    """Return the Service that callers name; it has no selector, because its HTTPRoute has the backend."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": by_ingress.name_of(service, source), "namespace": NAMESPACE},
        "spec": {"ports": [{"name": "http", "port": port, "targetPort": port, "appProtocol": "http"}]},
    }


def _route(service: str, source: str, port: int) -> Obj:
    """Return the callers' HTTPRoute: to the mirror of the ingress, with a header that names the service."""
    mirror = export.mirror_of(emissary.FROM_MESH, source)
    header = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": _HEADER, "value": service}]}}
    rule = {"filters": [header], "backendRefs": [route.backend(mirror.name, 80, namespace=mirror.namespace)]}
    return route.build(by_ingress.name_of(service, source), by_ingress.name_of(service, source), port, [rule], {})


def entrance(address: str | None) -> str:
    """Return the URL at which a cluster's gateway accepts requests of ingress routes."""
    return f"http://{address}:{multicluster.PORT}/"
