"""What scenarios need of a real lab: how to talk to it, what it consists of, what to keep when it goes wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from lab.base import process
from lab.base.errors import CommandError
from lab.base.names import NAMESPACE
from lab.kube import KubeError, connect
from lab.lab import Lab
from lab.lifecycle import artifacts, lock, logs
from lab.measure.load import usual_rate_per_s
from lab.mesh.protocols import Mesh
from lab.scenario import registry
from lab.scenario.context import Context
from lab.scenario.executor import Executor
from lab.scenario.rendering import Target
from lab.scenario.results import LabFacts
from lab.scenario.steps import StepRunner
from lab.scenario.terminal import DirectTerminal, Terminal
from lab.stacks import current

_KEEP = {
    "pods": ("get", "pods", "--all-namespaces", "--output=wide"),
    "services": ("get", "services,endpointslices", f"--namespace={NAMESPACE}", "--output=wide"),
    "events": ("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"),
}
_KEEP_TIMEOUT_S = 15.0
_KEEP_LINES = 1000
"""Log lines of each container, the mesh's proxies included."""


def context_of(lab: Lab, mesh: Mesh, *, full: bool, rate_per_s: float | None = None) -> Context:
    """Return the context of scenarios on this lab; without a rate, with the usual one."""
    rate_per_s = usual_rate_per_s() if rate_per_s is None else rate_per_s
    return Context(lab=lab, mesh=mesh, env=environment_of(lab), full=full, rate_per_s=rate_per_s)


def environment_of(lab: Lab) -> Mapping[str, str]:
    """Return the variables under which typed commands find the lab's clusters, its tools, and the lab itself."""
    path = os.pathsep.join(
        [*map(str, tools(lab)), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )
    return {"KUBECONFIG": str(lab.paths.kubeconfig), "PATH": path, "LC_ALL": "C.UTF-8", **lock.passed_on(lab.paths)}


def steps_of(
    lab: Lab, mesh: Mesh, *, full: bool, rate_per_s: float | None = None, terminal: Terminal | None = None
) -> StepRunner:
    """Return what runs the steps of scenarios on this lab; `terminal` runs their commands, by default this process."""
    context = context_of(lab, mesh, full=full, rate_per_s=rate_per_s)
    manifests = target_of(lab, mesh.name).manifests
    terminal = terminal or DirectTerminal(env=context.env)
    return StepRunner(executor=Executor(context=context, manifests=manifests, terminal=terminal))


def target_of(lab: Lab, stack: str) -> Target:
    """Return the lab and the stack for which scenarios are rendered."""
    return Target.of(lab, stack, registry.folder())


def write_manifests(lab: Lab, stack: str) -> None:
    """Write this lab's copies of the scenarios' manifests, so that a person can type the walkthrough's commands."""
    target = target_of(lab, stack)
    for name in registry.names():
        target.manifests(name).write_all()


def tools(lab: Lab) -> tuple[Path, ...]:
    """Return the folders of the lab's own versions of kubectl and the mesh's programs.

    Raises:
        ArtifactError: one is missing or damaged.
    """
    return tuple(lab.artifacts.binary(name).parent for name in ("kubectl", *current(lab).programs))


def facts_of(lab: Lab, mesh: Mesh) -> LabFacts:
    """Return on what a run takes place."""
    versions = {}
    for cluster in lab.clusters.values():
        try:
            versions[f"Kubernetes of {cluster.name}"] = connect(cluster).version()
        except KubeError as error:
            versions[f"Kubernetes of {cluster.name}"] = f"does not answer: {error.what}"
    stack = current(lab)
    for one in artifacts.used(lab, (*stack.artifacts(lab), *stack.images(lab))):
        versions[one.title] = f"{one.version}, {one.source}"
    clusters = tuple(f"{name} ({spec.stands_in_for})" for name, spec in lab.spec.clusters.items())
    return LabFacts(name=lab.spec.name, stack=mesh.name, clusters=clusters, versions=versions)


def keep_state(context: Context, folder: Path) -> None:
    """Write what every cluster looks like into a folder, with all logs, as far as the clusters answer."""
    logs.collect(context.lab, context.lab.clusters, folder / "lab", lines=_KEEP_LINES)
    for name in context.lab.clusters:
        for what, words in _KEEP.items():
            argv = ["kubectl", f"--context={name}", "--request-timeout=10s", *words]
            try:
                done = process.run(argv, env=context.env, timeout_s=_KEEP_TIMEOUT_S, check=False)
                text = done.stdout or done.stderr
            except CommandError as error:  # it did not end in time; the others may
                text = str(error)
            (folder / f"{name}-{what}.txt").write_text(text, encoding="utf-8")
