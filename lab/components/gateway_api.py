"""The Gateway API's custom resources, standard channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab import manifests
from lab.components.kept import kept
from lab.components.manifest import ManifestComponent
from lab.context import Lab
from lab.model import Cluster
from lab.objects import Obj


@dataclass(frozen=True, kw_only=True)
class GatewayApi(ManifestComponent):
    """CRDs only; who serves them is the stack's business."""

    name: str = "gateway-api"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the CRDs."""
        del cluster
        file = lab.artifacts.file("gateway-api", "crds.yaml")
        return kept(lab, self.name, str(file), lambda: manifests.load(file))
