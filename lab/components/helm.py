"""Render Helm charts to objects, each with its namespace."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.components.cache import cached_objects
from lab.kube import manifests
from lab.kube.objects import Obj, in_namespace
from lab.lab import Lab
from lab.tools.helm import Helm

_CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass", "Namespace"}


def chart_objects(
    lab: Lab, artifact: str, *, release: str, namespace: str, values: Mapping[str, Any] | None = None
) -> list[Obj]:
    """Render a chart without its hooks and tests; the result is cached by chart and values.

    Args:
        lab: the lab whose artifacts contain helm and the chart.
        artifact: the chart's name in the catalogue.
        release: name of the release.
        namespace: for namespaced objects that the chart renders without one.
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


_PROBE_PERIOD_S = 2


def from_chart(
    lab: Lab, name: str, values: Mapping[str, Any], render: Callable[[Path], str], *, made_from: str
) -> list[Obj]:
    """Call `render` with a file of values, once for each `made_from` and values, and return fitted objects."""

    def make() -> list[Obj]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "values.yaml"
            file.write_text(manifests.dump(dict(values)), encoding="utf-8")
            return manifests.parse(render(file), source=name)

    return [
        fitted(obj) for obj in cached_objects(lab, name, f"{made_from}\n{json.dumps(values, sort_keys=True)}", make)
    ]


def fitted(obj: Obj) -> Obj:
    """Adapt a rendered object to server-side apply and to a quick start, and return it.

    - An environment variable that a container has twice keeps its last value, as the kubelet does: charts render a
      default before `additionalEnv`, and the API server refuses duplicates in server-side apply.
    - A readiness probe without a period runs every 2 s, not every 10 s, which is Kubernetes' default.
    """
    pod = obj.get("spec", {}).get("template", {}).get("spec", {}) if obj["kind"] == "Deployment" else {}
    for container in (*pod.get("containers", ()), *pod.get("initContainers", ())):
        if env := container.get("env"):
            container["env"] = list({variable["name"]: variable for variable in env}.values())
        if probe := container.get("readinessProbe"):
            probe.setdefault("periodSeconds", _PROBE_PERIOD_S)
    return obj
