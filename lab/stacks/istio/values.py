"""Compute the values of Istio's charts for a cluster. No I/O. For the packages build, `reduced.py` changes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.base.names import MANAGED_BY, MANAGED_LABEL

# Envoy's own metrics of requests, retries and mTLS, beside Istio's: they are the same with every Envoy.
_EVIDENCE = (
    r"cluster\.outbound\|.*\.upstream_(rq_(total|[1-5]xx|retry|pending_overflow)|cx_(total|connect_fail))$",
    r"cluster\.outbound\|.*\.(ssl\.handshake|membership_(total|healthy))$",
    r"listener\..*_15006\.ssl\.(handshake|fail_verify_.*|connection_error)$",
)


@dataclass(frozen=True, kw_only=True)
class MeshPlace:
    """Parameters of a cluster's Istio: mesh, network, trust domains and images."""

    mesh_id: str
    cluster: str
    network: str
    trust_domain: str
    other_trust_domains: Sequence[str]
    pilot_image: str
    proxy_image: str
    shared: bool = False
    """Whether others use the cluster, too: then Istio sees only the lab's namespaces."""
    local_hosts: Sequence[str] = ()
    """Services that Istio does not merge with Services of the same name in other clusters."""


def operator(place: MeshPlace) -> dict[str, Any]:
    """Return the IstioOperator that istioctl renders."""
    mesh_config = {
        "trustDomain": place.trust_domain,
        # Servers in other clusters have the same service accounts, under their own trust domains.
        "trustDomainAliases": sorted(place.other_trust_domains),
        "enableTracing": False,
        # Each cluster's ingress calls its own frontend; Istio merges all other Services of the same name.
        "serviceSettings": [{"settings": {"clusterLocal": True}, "hosts": list(place.local_hosts)}],
        "defaultConfig": {
            "concurrency": 1,
            "proxyStatsMatcher": {"inclusionRegexps": list(_EVIDENCE)},
            # Otherwise each proxy asks 169.254.169.254 for its cloud when it starts (Istio, pkg/bootstrap/platform).
            "proxyMetadata": {"CLOUD_PLATFORM": "none"},
        },
    }
    if place.shared:
        mesh_config["discoverySelectors"] = [{"matchLabels": {MANAGED_LABEL: MANAGED_BY}}]
    return {
        "apiVersion": "install.istio.io/v1alpha1",
        "kind": "IstioOperator",
        "spec": {"profile": "minimal", "meshConfig": mesh_config, "values": _values(place)},
    }


def _values(place: MeshPlace) -> dict[str, Any]:
    return {
        "global": {
            "meshID": place.mesh_id,
            "network": place.network,
            "multiCluster": {"clusterName": place.cluster},
            "imagePullPolicy": "IfNotPresent",
            "defaultPodDisruptionBudget": {"enabled": False},
            "proxy": {
                "image": place.proxy_image,
                "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"cpu": None, "memory": "256Mi"}},
            },
            "proxy_init": {"image": place.proxy_image},
        },
        "pilot": {
            "image": place.pilot_image,
            "autoscaleEnabled": False,
            "traceSampling": 0,
            "resources": {"requests": {"cpu": "10m", "memory": "128Mi"}},
            "env": {
                # Time that istiod waits, at its start, for another cluster that is down.
                "PILOT_REMOTE_CLUSTER_TIMEOUT": "10s",
            },
        },
        "gatewayClasses": {"istio": _gateways(shared=place.shared)},
    }


def _gateways(*, shared: bool) -> dict[str, Any]:
    """Return what Istio merges into the Service and the Deployment of each gateway."""
    # The lab assigns the addresses (load_balancer.py), so node ports would be unused; some platforms need them.
    own = {} if shared else {"allocateLoadBalancerNodePorts": False}
    # All gateways have the node's address, where only one of them could use the status port.
    service = {**own, "ports": [{"port": 15021, "$patch": "delete"}]}
    proxy = {"name": "istio-proxy", "readinessProbe": {"periodSeconds": 2}}
    return {
        "service": {"spec": service},
        "deployment": {"spec": {"template": {"spec": {"containers": [proxy]}}}},
    }
