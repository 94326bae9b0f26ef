"""Upstream's podinfo, with a message and a colour for each cluster (apps/podinfo)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.base.names import NAMESPACE, Cluster
from lab.base.paths import APPS
from lab.components.base import ManifestComponent
from lab.kube import manifests
from lab.kube.objects import Obj, in_namespace
from lab.lab import Lab


@dataclass(frozen=True, kw_only=True)
class Podinfo(ManifestComponent):
    """The called service."""

    name: str = "podinfo"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return podinfo's objects."""
        settings = lab.spec.clusters[cluster.name].podinfo
        rendered = manifests.render(
            APPS / "podinfo" / "manifests" / "podinfo.yaml",
            image=lab.artifacts.image("podinfo"),
            cluster=cluster.name,
            message=settings.message,
            color=settings.color,
            replicas=settings.replicas,
        )
        return [in_namespace(obj, NAMESPACE) for obj in rendered]
