"""Linkerd's Viz extension: the dashboard and its metrics. The lab installs it with --viz."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.base.names import Cluster
from lab.components.base import ManifestComponent
from lab.components.helm import from_chart
from lab.components.rendering import Rendering
from lab.kube.objects import Obj
from lab.lab import Lab
from lab.stacks.linkerd import certificates
from lab.stacks.linkerd.control_plane import OWN_NAMESPACES, REQUESTS, cli_of

NAMESPACE = "linkerd-viz"
IMAGES = ("linkerd-metrics-api", "linkerd-tap", "linkerd-web", "prometheus")


@dataclass(frozen=True, kw_only=True)
class LinkerdViz(ManifestComponent):
    """The extension, with its own Prometheus, which keeps metrics for six hours."""

    name: str = "linkerd-viz"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the objects that the CLI renders."""
        cli = cli_of(lab)
        images = {name: lab.image(name, cluster.name) for name in IMAGES}
        values = chart_values(lab.spec.clusters[cluster.name].trust_domain, images)
        if cluster.existing:
            values["tapInjector"]["namespaceSelector"] = OWN_NAMESPACES
        return from_chart(lab, f"viz-{cluster.name}", values, cli.viz, made_from=str(cli.binary))

    def rendering(self, lab: Lab, cluster: Cluster) -> Rendering:
        """Return the objects without certificates, and commands that create keys and insert their certificates."""
        objects = self.objects(lab, cluster)
        return Rendering(
            objects=[certificates.without(obj) for obj in objects],
            before=certificates.create_commands(objects, cluster),
            after=certificates.insert_commands(objects, cluster),
            waits_for=self.waits_for(objects),
        )


def chart_values(trust_domain: str, images: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of the extension's chart; `images` maps IMAGES to image references."""
    metrics, tap, web, prometheus = (_parts(images[name]) for name in IMAGES)
    return {
        "identityTrustDomain": trust_domain,
        "metricsAPI": {"image": metrics, "resources": REQUESTS},
        "tap": {"image": tap, "resources": REQUESTS},
        "tapInjector": {"image": tap, "resources": REQUESTS},
        "dashboard": {"image": web, "resources": REQUESTS},
        "prometheus": {"image": prometheus, "resources": {"cpu": {"request": "20m"}, "memory": {"request": "100Mi"}}},
    }


def _parts(image: str) -> dict[str, str]:
    path, _, tag = image.rpartition(":")
    registry, _, name = path.rpartition("/")
    return {"registry": registry, "name": name, "tag": tag}
