"""The ingress: a Gateway on the node's port 80, behind the cluster's published port, and a route to the frontend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.components.gateway import CLASS, GatewayComponent
from lab.context import Lab
from lab.model import NAMESPACE, Cluster
from lab.objects import Obj, Ref

_API = "gateway.networking.k8s.io/v1"
GATEWAY = Ref(api_version=_API, kind="Gateway", name="ingress", namespace="istio-ingress")


@dataclass(frozen=True, kw_only=True)
class Ingress(GatewayComponent):
    """The Gateway `ingress` in istio-ingress, and an HTTPRoute beside the frontend."""

    name: str = "ingress"
    gateway: Ref = GATEWAY

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the Gateway and the route."""
        del lab, cluster
        from_apps = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
        listener = {
            "name": "http",
            "port": 80,
            "protocol": "HTTP",
            "allowedRoutes": {"namespaces": {"from": "Selector", "selector": from_apps}},
        }
        return [
            {
                "apiVersion": _API,
                "kind": "Gateway",
                "metadata": {"name": self.gateway.name, "namespace": self.gateway.namespace},
                "spec": {"gatewayClassName": CLASS, "listeners": [listener]},
            },
            {
                "apiVersion": _API,
                "kind": "HTTPRoute",
                "metadata": {"name": "frontend", "namespace": NAMESPACE},
                "spec": {
                    "parentRefs": [{"name": self.gateway.name, "namespace": self.gateway.namespace}],
                    "rules": [{"backendRefs": [{"name": "frontend", "port": 80}]}],
                },
            },
        ]

    def waits_for(self, objects: Sequence[Obj]) -> list[Ref]:
        """Leave the route out: its backend comes with the frontend, which may still be on its way."""
        return [wanted for wanted in super().waits_for(objects) if wanted.kind != "HTTPRoute"]
