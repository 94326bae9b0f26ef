"""The east-west gateway: other clusters' workloads reach this cluster's through it, with mTLS from end to end.

It forwards by SNI only (Istio's AUTO_PASSTHROUGH, here as a Gateway API listener option). Its label with the network's
name makes it the gateway of that network for every istiod that watches this cluster.
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
# istiod assumes 15443. For another port, also add the label "networking.istio.io/gatewayPort": str(PORT) to the Gateway
# below, beside NETWORK_LABEL; Istio copies it to the Service, where every istiod reads it (Istio,
# pilot/pkg/serviceregistry/kube/controller/network.go, getGatewayDetails). The ingress listens on the same node: its
# ports, 80 and `ingress.FROM_MESH_PORT`, must differ. Then: pytest tests/unit/golden --write-golden.
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
