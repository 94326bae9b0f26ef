"""The namespaces that components share, with the labels and annotations that the mesh reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.base.names import Cluster
from lab.components.base import ManifestComponent
from lab.kube.objects import Obj
from lab.lab import Lab


@dataclass(frozen=True, kw_only=True)
class Namespaces(ManifestComponent):
    """Namespaces with labels and annotations; `{cluster}` in a label's value is replaced by the cluster's name."""

    labels: Mapping[str, Mapping[str, str]]
    annotations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    name: str = "namespaces"

    def objects(self, lab: Lab, cluster: Cluster) -> Sequence[Obj]:
        """Return the namespaces."""
        del lab
        return [
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": name,
                    "labels": {key: value.format(cluster=cluster.name) for key, value in labels.items()},
                    **({"annotations": dict(self.annotations[name])} if name in self.annotations else {}),
                },
            }
            for name, labels in self.labels.items()
        ]
