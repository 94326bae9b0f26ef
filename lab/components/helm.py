"""Upstream's Helm charts as objects, each in the namespace that it is installed into."""

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


_ASKED_EVERY_S = 2


def from_chart(
    lab: Lab, name: str, values: Mapping[str, Any], render: Callable[[Path], str], *, made_from: str
) -> list[Obj]:
    """Render a chart with a file of values, once for each `made_from` and values, and make it fit the lab."""

    def make() -> list[Obj]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "values.yaml"
            file.write_text(manifests.dump(dict(values)), encoding="utf-8")
            return manifests.parse(render(file), source=name)

    return [
        fitted(obj) for obj in cached_objects(lab, name, f"{made_from}\n{json.dumps(values, sort_keys=True)}", make)
    ]


def fitted(obj: Obj) -> Obj:
    """Return a rendered object as the lab applies it.

    Each container has a variable once, the last one given, as the kubelet would take it: charts give a default before
    what `additionalEnv` says, and the API server refuses to apply a name twice. And one that is not ready when it is
    first probed is probed again soon, not after Kubernetes' default of 10 s.
    """
    pod = obj.get("spec", {}).get("template", {}).get("spec", {}) if obj["kind"] == "Deployment" else {}
    for container in (*pod.get("containers", ()), *pod.get("initContainers", ())):
        if env := container.get("env"):
            container["env"] = list({variable["name"]: variable for variable in env}.values())
        if probe := container.get("readinessProbe"):
            probe.setdefault("periodSeconds", _ASKED_EVERY_S)
    return obj
