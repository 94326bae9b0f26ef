"""The east-west gateway: other clusters' workloads reach this cluster's through it, with mTLS from end to end.

It forwards by SNI only (Istio's AUTO_PASSTHROUGH, here as a Gateway API listener option). Its label with the network's
name makes it the gateway of that network for every istiod that watches this cluster.

Istio creates its Deployment. The lab scales that to the pods of lab.toml ([ha] gateways). An overlay with `replicas`
would do so too, but istiod would then undo each `kubectl scale` of a scenario or a person at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab.base.names import Cluster
from lab.components import gateways, workloads
from lab.components.rendering import Rendering, kubectl
from lab.kube import connect
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
_PODS = {"gateway.networking.k8s.io/gateway-name": GATEWAY.name}
_OPTIONS = f"{GATEWAY.name}-options"


@dataclass(frozen=True, kw_only=True)
class EastWestGateway(GatewayComponent):
    """The Gateway `eastwest` in istio-system."""

    name: str = "east-west-gateway"
    gateway: Ref = GATEWAY

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the Gateway, the options of its pods, and their disruption budget."""
        del lab
        listener = {
            "name": "mtls",
            "port": PORT,
            "protocol": "TLS",
            "tls": {"mode": "Passthrough", "options": {"gateway.istio.io/listener-protocol": "auto-passthrough"}},
            "allowedRoutes": {"namespaces": {"from": "Same"}},
        }
        return [
            _options(),
            gateways.budget(GATEWAY.name, NAMESPACE, _PODS),
            {
                "apiVersion": self.gateway.api_version,
                "kind": "Gateway",
                "metadata": {
                    "name": self.gateway.name,
                    "namespace": self.gateway.namespace,
                    "labels": {NETWORK_LABEL: network_of(cluster.name)},
                },
                "spec": {
                    "gatewayClassName": CLASS,
                    "infrastructure": {"parametersRef": {"group": "", "kind": "ConfigMap", "name": _OPTIONS}},
                    "listeners": [listener],
                },
            },
        ]

    def after_apply(self, lab: Lab, cluster: Cluster) -> None:
        """Give the Service its address, and the Deployment its pods."""
        super().after_apply(lab, cluster)
        workloads.ensure_replicas(connect(cluster), self.deployment, lab.spec.ha.gateways)

    def settled(self, lab: Lab, cluster: Cluster) -> bool:
        """Return whether both are still in place."""
        pods = workloads.replicas(connect(cluster).get(self.deployment))
        return pods == lab.spec.ha.gateways and super().settled(lab, cluster)

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return the objects, and commands for the Service's address and, unless there is one, the number of pods."""
        rendering, pods = super().rendering(lab, cluster), lab.spec.ha.gateways
        if pods == 1:
            return rendering
        place, name = kubectl(cluster, NAMESPACE), f"deployment/{self.deployment.name}"
        scale = [f"{place} wait --for=create --timeout=60s {name}", f"{place} scale {name} --replicas={pods}"]
        return replace(rendering, after=[*rendering.after, *scale])


def _options() -> Obj:
    """Return the ConfigMap that Istio merges into what it creates (Istio documentation, "Kubernetes Gateway API")."""
    overlay = {"spec": {"template": {"spec": {"topologySpreadConstraints": gateways.spread(_PODS)}}}}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": _OPTIONS, "namespace": NAMESPACE},
        "data": {"deployment": json.dumps(overlay)},
    }
