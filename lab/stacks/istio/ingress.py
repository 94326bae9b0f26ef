"""The ingress: a Gateway on the node's port 80, behind the cluster's published port, and a route to the frontend.

Its second listener is for workloads of other clusters. It terminates mutual TLS with the gateway's own identity and
refuses clients without a certificate of the mesh. It serves only HTTPRoutes that name it (`ingress_route`). Its port is
not published on this machine: only nodes of the lab's network reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.base.names import NAMESPACE, Cluster
from lab.components import load_balancer
from lab.kube.objects import Obj, Ref
from lab.lab import Lab
from lab.stacks.istio.gateway import CLASS, GatewayComponent

_API = "gateway.networking.k8s.io/v1"
GATEWAY = Ref(api_version=_API, kind="Gateway", name="ingress", namespace="istio-ingress")
ACCOUNT = f"{GATEWAY.name}-{CLASS}"
"""The service account that Istio gives to the ingress's proxy."""
SERVICE = Ref(api_version="v1", kind="Service", name=ACCOUNT, namespace=GATEWAY.namespace)
"""The Service that Istio creates for it, in front of its proxy."""
_HTTP = "http"
FROM_MESH = "from-mesh"
"""Name of the listener for other clusters' workloads."""
FROM_MESH_PORT = 15444
"""Port of that listener on the node; must differ from `east_west_gateway.PORT`."""
_TERMINATE = {
    "mode": "Terminate",
    # Istio documentation, "Kubernetes Gateway API", "Mutual TLS with the mesh's certificates".
    "options": {"gateway.istio.io/tls-terminate-mode": "ISTIO_MUTUAL"},
}


def parent(listener: str) -> Obj:
    """Return the parentRef of an HTTPRoute for one of the ingress's listeners."""
    return {"name": GATEWAY.name, "namespace": GATEWAY.namespace, "sectionName": listener}


@dataclass(frozen=True, kw_only=True)
class Ingress(GatewayComponent):
    """The Gateway `ingress` in istio-ingress, and an HTTPRoute in the frontend's namespace."""

    name: str = "ingress"
    gateway: Ref = GATEWAY

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the Gateway and the route."""
        del lab, cluster
        from_apps = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
        allowed = {"allowedRoutes": {"namespaces": {"from": "Selector", "selector": from_apps}}}
        listeners = [
            {"name": _HTTP, "port": 80, "protocol": "HTTP", **allowed},
            {"name": FROM_MESH, "port": FROM_MESH_PORT, "protocol": "HTTPS", "tls": _TERMINATE, **allowed},
        ]
        return [
            {
                "apiVersion": _API,
                "kind": "Gateway",
                "metadata": {"name": self.gateway.name, "namespace": self.gateway.namespace},
                "spec": {"gatewayClassName": CLASS, "listeners": listeners},
            },
            {
                "apiVersion": _API,
                "kind": "HTTPRoute",
                "metadata": {"name": "frontend", "namespace": NAMESPACE},
                "spec": {
                    "parentRefs": [parent(_HTTP)],
                    "rules": [{"backendRefs": [{"name": "frontend", "port": 80}]}],
                },
            },
        ]

    def after_apply(self, lab: Lab, cluster: Cluster) -> None:
        """Give the Service its address, and remember that."""
        load_balancer.ensure_entrance(lab, cluster, self.service)

    def settled(self, lab: Lab, cluster: Cluster) -> bool:
        """Return whether the Service still has its address, and this machine remembers it."""
        return load_balancer.is_known_entrance(lab, cluster, self.service)

    def waits_for(self, objects: Sequence[Obj]) -> list[Ref]:
        """Don't wait for the HTTPRoute: its backend, the frontend, may be installed later."""
        return [wanted for wanted in super().waits_for(objects) if wanted.kind != "HTTPRoute"]
