"""Istio: its CRDs and istiod, with STRICT mTLS for all workloads."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.base.names import NAMESPACE as APPS
from lab.base.names import Cluster
from lab.components.base import ManifestComponent
from lab.components.cache import cached_objects
from lab.config import joined
from lab.kube import manifests
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.stacks.istio.reduced import reduced
from lab.stacks.istio.values import MeshPlace, operator
from lab.tools.istioctl import Istioctl

NAMESPACE = "istio-system"
METRICS_PORT = 15014
"""istiod's port for its own metrics (Istio documentation, "Application Requirements")."""
NETWORK_LABEL = "topology.istio.io/network"

STRICT: Obj = {
    "apiVersion": "security.istio.io/v1",
    "kind": "PeerAuthentication",
    "metadata": {"name": "default", "namespace": NAMESPACE},
    "spec": {"mtls": {"mode": "STRICT"}},
}


def network_of(cluster: str) -> str:
    """Return Istio's name of a cluster's pod network; other clusters reach it only through its gateway."""
    return f"net-{cluster}"


@dataclass(frozen=True, kw_only=True)
class Istio(ManifestComponent):
    """CRDs, istiod, and a mesh-wide PeerAuthentication that refuses plain text."""

    name: str = "istio"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the objects that istioctl renders, and the PeerAuthentication."""
        return [*rendered(lab, cluster), STRICT]


def rendered(lab: Lab, cluster: Cluster) -> list[Obj]:
    """Render Istio's charts for a cluster; the result is cached by the values and istioctl."""
    values = operator(place(lab, cluster))
    if lab.artifacts.is_built("istio-proxy"):
        values = reduced(values)
    binary = lab.artifacts.binary("istioctl")

    def render() -> list[Obj]:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "operator.yaml"
            source.write_text(manifests.dump(values), encoding="utf-8")
            return manifests.parse(Istioctl(binary).manifest(source), source="istioctl manifest generate")

    return cached_objects(lab, f"istio-{cluster.name}", f"{binary}\n{json.dumps(values, sort_keys=True)}", render)


def _others(lab: Lab, cluster: str) -> list[str]:
    """Return the trust domains of the other clusters, and those that clusters which join can have."""
    clusters = lab.spec.clusters
    # No cluster joins what `lab initialize` writes.
    spare = joined.TRUST_DOMAINS if lab.keeps_keys else ()
    return sorted({*(one.trust_domain for one in clusters.values()), *spare} - {clusters[cluster].trust_domain})


def place(lab: Lab, cluster: Cluster) -> MeshPlace:
    """Return the parameters of a cluster's Istio."""
    spec = lab.spec
    return MeshPlace(
        mesh_id=spec.mesh_id,
        cluster=cluster.name,
        network=network_of(cluster.name),
        trust_domain=spec.clusters[cluster.name].trust_domain,
        other_trust_domains=_others(lab, cluster.name),
        pilot_image=lab.image("istio-pilot", cluster.name),
        proxy_image=lab.image("istio-proxy", cluster.name),
        shared=cluster.existing,
        local_hosts=[f"frontend.{APPS}.svc.cluster.local"],
    )
