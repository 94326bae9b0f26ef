"""The Gateway API's custom resources, standard channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.base.names import Cluster
from lab.components.base import ManifestComponent
from lab.components.cache import cached_objects
from lab.kube import manifests
from lab.kube.objects import Obj
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
