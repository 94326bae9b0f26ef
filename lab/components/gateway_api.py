"""The Gateway API's custom resources, standard channel.

Many platforms have them in each cluster, and undo changes of them. In an existing cluster, the lab uses what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.base.errors import ClusterError
from lab.base.names import Cluster
from lab.components import inventory
from lab.components.base import ManifestComponent
from lab.components.cache import cached_objects
from lab.kube import connect, manifests
from lab.kube.objects import Obj, ref
from lab.lab import Lab


@dataclass(frozen=True, kw_only=True)
class GatewayApi(ManifestComponent):
    """The CRDs only; the stack installs their controller."""

    name: str = "gateway-api"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the CRDs."""
        del cluster
        file = lab.artifacts.file("gateway-api", "crds.yaml")
        return cached_objects(lab, self.name, str(file), lambda: manifests.load(file))

    def _wanted(self, lab: Lab, cluster: Cluster) -> list[Obj]:
        """Return the CRDs, in an existing cluster without those that it has got from somebody else.

        Raises:
            ClusterError: one of those is older than the version that the lab uses.
        """
        wanted = super()._wanted(lab, cluster)
        if not cluster.existing:
            return wanted
        kube = connect(cluster)
        theirs = {ref(obj) for obj in inventory.owned(lab, kube, self.name).foreign(map(ref, wanted))}
        for crd in wanted:
            if ref(crd) in theirs and (lacking := _versions(crd) - _versions(kube.get(ref(crd)) or {})):
                raise ClusterError(
                    f"{ref(crd)} of the cluster does not serve {', '.join(sorted(lacking))}, which the lab uses",
                    where=cluster.name,
                    next="install a newer version of the Gateway API there, or use another cluster",
                )
        return [crd for crd in wanted if ref(crd) not in theirs]


def _versions(crd: Obj) -> set[str]:
    """Return the versions that a CRD serves."""
    return {one["name"] for one in (crd.get("spec") or {}).get("versions") or () if one.get("served")}
