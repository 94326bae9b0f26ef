"""The frontend, which calls podinfo and shows the cluster that answered (apps/frontend)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.base.names import NAMESPACE, Cluster
from lab.base.paths import APPS
from lab.components.base import ManifestComponent
from lab.kube import manifests
from lab.kube.objects import Obj, in_namespace
from lab.lab import Lab

_PODINFO = "podinfo"
_PORT = 9898
IN_DEVELOPMENT = "my-service"
"""The service of `lab dev` (apps/my-service); the frontend has its name whether it runs or not."""


@dataclass(frozen=True, kw_only=True)
class Frontend(ManifestComponent):
    """The calling service. `request_timeout_s` is its time limit for one request; 0 for its own default."""

    name: str = "frontend"
    request_timeout_s: int = 0

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the frontend's objects."""
        # With the namespace: a name that does not exist is then answered in the cluster (lab/components/dns.py).
        upstreams = ",".join(f"{name}=http://{name}.{NAMESPACE}:{_PORT}" for name in upstream_names(lab, cluster))
        upstreams += f",{IN_DEVELOPMENT}=http://{IN_DEVELOPMENT}.{NAMESPACE}:80"
        rendered = manifests.render(
            APPS / "frontend" / "manifests" / "frontend.yaml",
            image=lab.image("frontend", cluster.name),
            cluster=cluster.name,
            upstreams=upstreams,
            default_upstream=_PODINFO,
            replicas=1,
            request_timeout_s=self.request_timeout_s,
            stage_port=lab.spec.stage.port,
        )
        return [in_namespace(obj, NAMESPACE) for obj in rendered]


def upstream_names(lab: Lab, cluster: Cluster) -> list[str]:
    """Return the names that a cluster's frontend may call: podinfo, and every other cluster's by its exported name.

    The names do not depend on the exports, nor on clusters that join later, so that neither restarts the frontend.
    """
    federated = [f"{_PODINFO}-federated"] if lab.spec.network.flat else []
    others = (other for other in lab.clusters if other != cluster.name and other not in lab.spec.joined)
    return [_PODINFO, *(f"{_PODINFO}-{other}" for other in others), *federated]
