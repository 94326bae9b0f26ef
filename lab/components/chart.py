"""Upstream's Helm charts as objects, each in the namespace that it is installed into."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.components.linkerd import from_chart
from lab.context import Lab
from lab.objects import Obj, in_namespace
from lab.tools.helm import Helm

_CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass", "Namespace"}


def chart_objects(
    lab: Lab, artifact: str, *, release: str, namespace: str, values: Mapping[str, Any] | None = None
) -> list[Obj]:
    """Render a chart, without what only a release's hooks and tests would run; once for the same chart and values.

    Args:
        lab: its artifacts hold helm and the chart.
        artifact: the chart's name in the catalogue.
        release: name of the release.
        namespace: of the objects that the chart leaves without one.
        values: the chart's values.
    """
    helm, chart = Helm(lab.artifacts.binary("helm")), lab.artifacts.file(artifact, "chart/Chart.yaml").parent

    def render(file: Path) -> str:
        return helm.template(chart, release=release, namespace=namespace, values=file)

    objects = from_chart(lab, artifact, values or {}, render, made_from=f"{helm.binary}\n{chart}")
    wanted = (obj for obj in objects if "helm.sh/hook" not in (obj["metadata"].get("annotations") or {}))
    return [_placed(obj, namespace) for obj in wanted]


def _placed(obj: Obj, namespace: str) -> Obj:
    return obj if obj["kind"] in _CLUSTER_WIDE or "namespace" in obj["metadata"] else in_namespace(obj, namespace)
