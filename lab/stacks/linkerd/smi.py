"""Linkerd's SMI extension: the TrafficSplit CRD, and the adaptor that converts each into a ServiceProfile.

Upstream has deprecated it in favour of Gateway API routes (Linkerd documentation, "Linkerd SMI"); the talk used it. The
lab installs it for the first TrafficSplit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.artifacts import push
from lab.artifacts.make import make
from lab.artifacts.plan import missing
from lab.artifacts.store import ArtifactStore
from lab.base.names import Cluster
from lab.base.step import StepResult
from lab.clusters import provider
from lab.components import inventory
from lab.components.base import ManifestComponent
from lab.components.helm import chart_objects
from lab.kube import connect, preview
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.stacks.linkerd.route import SMI_API

NAMESPACE = "linkerd-smi"
ARTIFACTS = ("smi-adaptor", "smi-chart")
_REQUESTS = {"cpu": "10m", "memory": "20Mi"}


def unobtainable(store: ArtifactStore) -> str:
    """Return why the extension is unavailable here; empty if it is available."""
    error = store.unobtainable(ARTIFACTS)
    return error.what if error else ""


@dataclass(frozen=True, kw_only=True)
class LinkerdSmi(ManifestComponent):
    """The extension: the TrafficSplit CRD, and the adaptor."""

    name: str = "linkerd-smi"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the chart's objects, without its hooks."""
        name, _, tag = lab.image("smi-adaptor", cluster.name).rpartition(":")
        values = chart_values(name, tag)
        objects = chart_objects(lab, "smi-chart", release="linkerd-smi", namespace=NAMESPACE, values=values)
        namespace: Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        return [namespace, *(obj for obj in objects if obj["kind"] != "Namespace")]

    def apply(self, lab: Lab, cluster: Cluster) -> StepResult:
        """Pull the artifacts, load the image into the node, and apply the objects.

        Raises:
            ArtifactError: an artifact is unavailable.
        """
        for name in missing(lab.artifacts, ARTIFACTS):
            make(lab.artifacts, name)
        if cluster.existing:
            push.ensure(lab.artifacts, ["smi-adaptor"])
        else:
            provider().ensure_images(lab, cluster, [lab.artifacts.image("smi-adaptor")])
        return super().apply(lab, cluster)


def install(lab: Lab, cluster: Cluster) -> None:
    """Install the extension; in a preview, record that a cluster needs it.

    Raises:
        ArtifactError: an artifact is unavailable.
    """
    extension, planned = LinkerdSmi(), preview.current()
    if planned is None:
        extension.apply(lab, cluster)
    elif inventory.read(connect(cluster), extension.name) is None:
        planned.expect(
            cluster,
            SMI_API,
            f"{cluster.name} needs Linkerd's SMI extension for a TrafficSplit; without --show the lab installs it",
        )


def chart_values(image: str, tag: str) -> dict[str, Any]:
    """Return the values of the extension's chart."""
    registry, _, name = image.rpartition("/")
    adaptor = {
        "image": {"registry": registry, "name": name, "tag": tag},
        "resources": {"requests": _REQUESTS, "limits": {"cpu": "200m", "memory": "100Mi"}},
    }
    return {"adaptor": adaptor}
