"""Upstream's podinfo, with a message and a colour for each cluster (apps/podinfo)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.base.names import NAMESPACE, Cluster
from lab.base.paths import APPS
from lab.base.step import CHANGED, StepResult
from lab.components import inventory
from lab.components.base import ManifestComponent
from lab.kube import Kube, connect, manifests
from lab.kube.objects import Obj, Ref, in_namespace
from lab.lab import Lab

DEPLOYMENT = Ref(api_version="apps/v1", kind="Deployment", name="podinfo", namespace=NAMESPACE)
DELAY: Mapping[str, str] = {
    "PODINFO_RANDOM_DELAY": "true",
    "PODINFO_RANDOM_DELAY_UNIT": "ms",
    "PODINFO_RANDOM_DELAY_MIN": "450",
    "PODINFO_RANDOM_DELAY_MAX": "550",
}
"""Variables with which podinfo answers about half a second later; the maximum must be greater than the minimum."""


@dataclass(frozen=True, kw_only=True)
class Podinfo(ManifestComponent):
    """The called service."""

    name: str = "podinfo"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return podinfo's objects."""
        settings = lab.spec.clusters[cluster.name].podinfo
        rendered = manifests.render(
            APPS / "podinfo" / "manifests" / "podinfo.yaml",
            image=lab.image("podinfo", cluster.name),
            cluster=cluster.name,
            message=settings.message,
            color=settings.color,
            replicas=settings.replicas,
        )
        return [in_namespace(obj, NAMESPACE) for obj in rendered]

    def apply(self, lab: Lab, cluster: Cluster) -> StepResult:
        """Apply the objects, and remove the variables of `DELAY`, which a server-side apply keeps."""
        undelayed = _undelay(lab, connect(cluster))
        result = super().apply(lab, cluster)
        return CHANGED if undelayed else result


def is_delayed(deployment: Obj | None) -> bool:
    """Return whether podinfo's Deployment has any of the variables of `DELAY`."""
    return any(_delays(variable) for container in _containers(deployment or {}) for variable in _variables(container))


def _undelay(lab: Lab, kube: Kube) -> bool:
    """Remove the variables of `DELAY`, which another manager than the lab has added; False if there were none."""
    deployment = kube.get(DEPLOYMENT)
    if deployment is None or not is_delayed(deployment):
        return False
    containers = [
        {**container, "env": [variable for variable in _variables(container) if not _delays(variable)]}
        for container in _containers(deployment)
    ]
    change = {"spec": {"template": {"spec": {"containers": containers}}}}
    inventory.owned(lab, kube, Podinfo().name).patch(DEPLOYMENT, change)
    return True


def _containers(deployment: Obj) -> Sequence[Obj]:
    return deployment.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or []


def _variables(container: Obj) -> Sequence[Obj]:
    return container.get("env") or []


def _delays(variable: Obj) -> bool:
    return variable.get("name") in DELAY
