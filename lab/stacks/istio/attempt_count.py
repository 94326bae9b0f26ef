"""The frontend's answers tell their attempts: Envoy adds the header `x-envoy-attempt-count`, which it omits by default.

Source: Envoy's API, config.route.v3.VirtualHost.include_attempt_count_in_response. With it, the router sets the header
to the number of its own attempts, also in an answer that Envoy itself gives after an attempt, such as a 503.

| retries by | counted |
| --- | --- |
| the proxy of the frontend, for a call to a service | yes |
| the ingress, for a request to the frontend | no: that is another proxy, and the filter does not select it |
| an ingress of another cluster, on an ingress route | no: the frontend's proxy replaces that header by its own count |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.base.names import Cluster
from lab.components.base import ManifestComponent
from lab.kube import manifests
from lab.kube.objects import Obj
from lab.lab import Lab

MANIFEST = Path(__file__).with_name("manifests") / "attempt-count.yaml"


@dataclass(frozen=True, kw_only=True)
class AttemptCount(ManifestComponent):
    """The EnvoyFilter of the frontend's proxies."""

    name: str = "attempt-count"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the EnvoyFilter, which is the same in each cluster."""
        del lab, cluster
        return manifests.load(MANIFEST)
