"""What scenarios need of a real lab: how to talk to it, what it consists of, what to keep when it goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lab.base import process
from lab.base.errors import CommandError, LabError
from lab.base.names import NAMESPACE
from lab.kube import KubeError, connect
from lab.lab import Lab
from lab.lifecycle import objects
from lab.mesh.protocols import Mesh
from lab.report.session import typed_environment
from lab.scenario.context import Context
from lab.scenario.results import LabFacts
from lab.stacks import STACKS

_KEEP = {
    "pods": ("get", "pods", "--all-namespaces", "--output=wide"),
    "services": ("get", "services,endpointslices", f"--namespace={NAMESPACE}", "--output=wide"),
    "events": ("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"),
    "podinfo-log": ("logs", f"--namespace={NAMESPACE}", "deployment/podinfo", "--all-containers", "--tail=200"),
    "frontend-log": ("logs", f"--namespace={NAMESPACE}", "deployment/frontend", "--all-containers", "--tail=200"),
}
_KEEP_TIMEOUT_S = 15.0


def context_of(lab: Lab, mesh: Mesh, *, full: bool, rate_per_s: float) -> Context:
    """Return what scenarios are given on this lab.

    Raises:
        LabError: the lab is not up.
    """
    if not lab.paths.kubeconfig.exists():
        raise LabError(f"the lab {lab.spec.name} is not up", next="lab up")
    return Context(lab=lab, mesh=mesh, env=environment(lab, mesh), full=full, rate_per_s=rate_per_s)


def environment(lab: Lab, mesh: Mesh) -> Mapping[str, str]:
    """Return the variables under which typed commands find the lab's clusters and the lab's own tools."""
    return typed_environment(lab.paths.kubeconfig, tools(lab, mesh))


def tools(lab: Lab, mesh: Mesh) -> tuple[Path, ...]:
    """Return the folders of the lab's own versions of kubectl and the mesh's programs.

    Raises:
        ArtifactError: one is missing or damaged.
    """
    return tuple(lab.artifacts.binary(name).parent for name in ("kubectl", *STACKS[mesh.name].programs))


def facts_of(lab: Lab, mesh: Mesh) -> LabFacts:
    """Return on what a run takes place."""
    versions = {}
    for cluster in lab.clusters.values():
        try:
            versions[f"Kubernetes of {cluster.name}"] = connect(cluster).version()
        except KubeError as error:
            versions[f"Kubernetes of {cluster.name}"] = f"does not answer: {error.what}"
    clusters = tuple(f"{name} ({spec.stands_in_for})" for name, spec in lab.spec.clusters.items())
    return LabFacts(name=lab.spec.name, stack=mesh.name, clusters=clusters, versions=versions)


def keep_state(context: Context, folder: Path) -> None:
    """Write what every cluster looks like into a folder, as far as the clusters answer."""
    kinds = objects.kinds_of(context.lab)
    for name, cluster in context.lab.clusters.items():
        try:
            objects.write(connect(cluster), kinds, folder, prefix=f"{name}-")
        except KubeError as error:
            (folder / f"{name}-objects.txt").write_text(f"{error}\n", encoding="utf-8")
        for what, words in _KEEP.items():
            argv = ["kubectl", f"--context={name}", "--request-timeout=10s", *words]
            try:
                done = process.run(argv, env=context.env, timeout_s=_KEEP_TIMEOUT_S, check=False)
                text = done.stdout or done.stderr
            except CommandError as error:  # it did not end in time; the others may
                text = str(error)
            (folder / f"{name}-{what}.txt").write_text(text, encoding="utf-8")
