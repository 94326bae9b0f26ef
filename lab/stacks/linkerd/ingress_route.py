"""Services carried across clusters by Emissary, on Linkerd: the talk's path through East's Ambassador.

East's Emissary has a listener for meshed callers, whose Service is mirrored to the other clusters. There a name of its
own (`podinfo-by-ingress-east`) leads to that mirror, with a header that says which service is meant: what arrives at
Emissary has the mirrored Service's name as its authority, whatever was called. A Mapping leads on from there. podinfo
gets Emissary's identity from its own proxy, and the caller's in `forwarded`, as the gateway wrote it.
"""

from __future__ import annotations

from lab.base.names import NAMESPACE
from lab.kube import Kube, connect
from lab.kube.objects import Obj, labelled
from lab.lab import Lab
from lab.mesh import by_ingress
from lab.stacks.linkerd import emissary, export, multicluster, route

_HEADER = "x-lab-carry"
_LEADS = (emissary.API, "Mapping", emissary.NAMESPACE)
_KINDS = (
    (route.API, "HTTPRoute", NAMESPACE),
    ("v1", "Service", NAMESPACE),
    _LEADS,
)


def apply(lab: Lab, service: str, source: str) -> None:
    """Let the source's ingress carry a service's requests.

    Raises:
        ClusterError: the service does not exist or has not one HTTP port; nothing was changed.
        NotOwnedError: a cluster has an object of one of the names that is not the lab's; nothing was changed.
        WaitTimeout: the ingress's Service is not mirrored, or the route is not accepted.
    """
    port = by_ingress.http_port(lab, service, source, origin=export.mirrored)
    export.need_gateway(lab, source)
    marks = by_ingress.labels(service, source)
    target = f"{service}.{NAMESPACE}:{port}"
    mapping = emissary.carried(by_ingress.name_of(service, source), header=(_HEADER, service), service=target)
    name, leads = labelled(called(service, source, port), marks), labelled(_route(service, source, port), marks)
    callers = [by_ingress.owned(lab, other) for other in export.seen_by(lab, source)]
    for objects in callers:
        objects.check([name, leads])
    export.check_mirrors(lab, emissary.FROM_MESH, source)
    by_ingress.owned(lab, source).apply(labelled(mapping, marks))
    export.mirror(lab, emissary.FROM_MESH, source)
    for objects in callers:
        objects.apply(name)
        route.write(objects, [leads])


def remove(lab: Lab, service: str, source: str) -> bool:
    """Take the path away, and with the last one the ingress's mirrors; False when there was none."""
    gone = by_ingress.delete(lab, service, source, _KINDS)
    if not listed(connect(lab.clusters[source])):
        export.unmirror(lab, emissary.FROM_MESH, source)
    return gone


def listed(kube: Kube) -> list[tuple[str, str]]:
    """Return the services that this cluster's ingress carries for others, each with its cluster."""
    return by_ingress.listed(kube, _LEADS)


def called(service: str, source: str, port: int) -> Obj:
    """Return the Service that callers name; it has no endpoints, its route leads elsewhere."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": by_ingress.name_of(service, source), "namespace": NAMESPACE},
        "spec": {"ports": [{"name": "http", "port": port, "targetPort": port, "appProtocol": "http"}]},
    }


def _route(service: str, source: str, port: int) -> Obj:
    """Return the caller's HTTPRoute: from the name to the mirror of the ingress, saying which service is meant."""
    mirror = export.mirror_of(emissary.FROM_MESH, source)
    says = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": _HEADER, "value": service}]}}
    rule = {"filters": [says], "backendRefs": [route.backend(mirror.name, 80, namespace=mirror.namespace)]}
    return route.build(by_ingress.name_of(service, source), by_ingress.name_of(service, source), port, [rule], {})


def entrance(address: str | None) -> str:
    """Return where a cluster's gateway takes what is carried, as a URL."""
    return f"http://{address}:{multicluster.PORT}/"
