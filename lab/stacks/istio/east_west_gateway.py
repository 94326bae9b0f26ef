"""The east-west gateway: through it the other clusters' workloads reach this one's, without an end to their mTLS.

It forwards by SNI only (Istio's AUTO_PASSTHROUGH, here in its Gateway API form); the label with the network's name
tells every istiod that watches this cluster that the network is behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.base.names import Cluster
from lab.kube.objects import Obj, Ref
from lab.lab import Lab
from lab.stacks.istio.control_plane import NAMESPACE, NETWORK_LABEL, network_of
from lab.stacks.istio.gateway import CLASS, GatewayComponent

PORT = 15443
GATEWAY = Ref(api_version="gateway.networking.k8s.io/v1", kind="Gateway", name="eastwest", namespace=NAMESPACE)


@dataclass(frozen=True, kw_only=True)
class EastWestGateway(GatewayComponent):
    """The Gateway `eastwest` in istio-system."""

    name: str = "east-west-gateway"
    gateway: Ref = GATEWAY

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the Gateway."""
        del lab
        listener = {
            "name": "mtls",
            "port": PORT,
            "protocol": "TLS",
            "tls": {"mode": "Passthrough", "options": {"gateway.istio.io/listener-protocol": "auto-passthrough"}},
            "allowedRoutes": {"namespaces": {"from": "Same"}},
        }
        return [
            {
                "apiVersion": self.gateway.api_version,
                "kind": "Gateway",
                "metadata": {
                    "name": self.gateway.name,
                    "namespace": self.gateway.namespace,
                    "labels": {NETWORK_LABEL: network_of(cluster.name)},
                },
                "spec": {"gatewayClassName": CLASS, "listeners": [listener]},
            }
        ]
