"""The plan of `lab up` as a graph of steps: the module to read first. Making the plan changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lab import stacks
from lab.artifacts import duplicates, push
from lab.artifacts import plan as artifacts
from lab.artifacts.upstream import split
from lab.base import wait
from lab.base.errors import LabError
from lab.base.step import CHANGED, UNCHANGED, Step, StepResult, StepStatus
from lab.base.wait import NotYet
from lab.clusters import provider
from lab.components.base import Component
from lab.lab import Lab
from lab.lifecycle import answers, changes, distances
from lab.stacks import Stack

ANSWERS = "answers"
"""The step of each cluster that comes last."""
_NETWORK, _REGISTRY = "network", "registry"
_PROBES = "frontend"
"""The image of the scenarios' probes."""
_PATIENCE_S = 4.0
"""Time without answers after which the plan checks whether somebody's change prevents them."""


def up(lab: Lab) -> list[Step]:
    """Return the steps that create or repair a lab, in reading order."""
    stack = stacks.current(lab)
    builds = artifacts.steps(lab.artifacts, stack.artifacts(lab))
    built = tuple(step.name for step in builds if step.name != duplicates.STEP)
    shared = _shared(lab, stack, built)
    clusters = [step for name in lab.clusters for step in _cluster(lab, stack, name, built)]
    links = [step for source in lab.clusters for target in lab.clusters for step in _link(lab, stack, source, target)]
    exports = [
        _export(lab, stack, service, source) for service, sources in lab.spec.exports.items() for source in sources
    ]
    far = [_distances(lab)] if lab.spec.links else []
    routes = [_routes(lab)] if lab.created.clusters else []
    return [
        *builds,
        *shared,
        *clusters,
        *routes,
        *links,
        *exports,
        *far,
        *(_answers(lab, stack, name, [*clusters, *links, *exports, *far]) for name in lab.clusters),
    ]


def _shared(lab: Lab, stack: Stack, built: tuple[str, ...]) -> list[Step]:
    """Return the steps that come before those of all clusters that the lab creates, and of all existing ones."""

    def push_images() -> StepResult:
        pushed = push.ensure(lab.artifacts, stack.images(lab))
        return StepResult(status=StepStatus.CHANGED, detail=f"{len(pushed)} images") if pushed else UNCHANGED

    steps = []
    if lab.created.clusters:
        title = "create the nodes' network"
        steps.append(Step(name=_NETWORK, title=title, run=lambda: provider().prepare(lab), estimate_s=1))
    if lab.spec.existing:
        title = "push images that the registry lacks"
        steps.append(Step(name=_REGISTRY, title=title, run=push_images, after=built, estimate_s=10))
    return steps


def _cluster(lab: Lab, stack: Stack, name: str, built: tuple[str, ...]) -> Iterator[Step]:
    """Yield the steps that create or adopt a cluster and install its components; manifests are rendered meanwhile."""
    existing = name in lab.spec.existing
    # One after the other: both decide the id of a new lab, and the nodes of an old one know it.
    before = (_NETWORK,) if lab.created.clusters else ()

    def step_name(step: str) -> str:
        return f"{name}/{step}"

    def ensure() -> StepResult:
        return provider().ensure(lab, lab.clusters[name], image=lab.node_image or stack.node_image)

    def prepare() -> StepResult:
        stack.prepare(lab, lab.clusters[name])
        return UNCHANGED

    def images() -> StepResult:
        loaded = [lab.artifacts.image(image) for image in stack.images(lab)]
        result = provider().ensure_images(lab, lab.clusters[name], loaded)
        if lab.spec.existing:
            _name_as_in_registry(lab, name)
        return result

    yield Step(
        name=step_name("cluster"),
        title="adopt the existing cluster" if existing else "create the cluster",
        run=ensure,
        after=before if existing else (*before, *built),
        cluster=name,
        estimate_s=1 if existing else 30,
    )
    yield Step(name=step_name("manifests"), title=stack.prepares, run=prepare, after=built, cluster=name, estimate_s=2)
    if not existing:
        yield Step(
            name=step_name("images"),
            title="load images that the node lacks",
            run=images,
            after=(step_name("cluster"),),
            cluster=name,
            estimate_s=1,
        )
    has_images = _REGISTRY if existing else step_name("images")
    for part in stack.components(lab).values():
        needs = [step_name(other) for other in part.after] or [step_name("cluster")]
        needs += [step_name("manifests"), has_images] if part.prepared else []
        yield _component(lab, name, part.component, title=part.title, after=needs, estimate_s=part.estimate_s)


def _name_as_in_registry(lab: Lab, cluster: str) -> None:
    """Give the probes' image in a created cluster's node the name that existing clusters pull it by.

    Scenarios apply the same manifests to all clusters, and a node of this machine may not reach the registry.
    """
    here, there = lab.artifacts.image(_PROBES), lab.artifacts.pulled_as(_PROBES)
    argv = ["ctr", "--namespace=k8s.io", "images", "tag", "--force"]
    names = ["/".join(split(name)) for name in (here, there)]  # containerd's names are whole
    provider().shell.run(lab.clusters[cluster], [*argv, *names])


def _component(
    lab: Lab, cluster: str, component: Component, *, title: str, after: Iterable[str], estimate_s: float = 2
) -> Step:
    def run() -> StepResult:
        return component.apply(lab, lab.clusters[cluster])

    return Step(
        name=f"{cluster}/{component.name}",
        title=title,
        run=run,
        after=tuple(after),
        cluster=cluster,
        estimate_s=estimate_s,
    )


def _routes(lab: Lab) -> Step:
    """Return the step that sets the nodes' routes to other clusters' pods."""
    nodes = tuple(f"{name}/cluster" for name in lab.created.clusters)
    title = "let pods reach pods of other clusters" if lab.spec.network.flat else "keep pods to their cluster"
    return Step(name="routes", title=title, run=lambda: provider().wire.ensure_routes(lab), after=nodes, estimate_s=1)


def _distances(lab: Lab) -> Step:
    """Return the step that sets the distances of lab.toml."""
    nodes = tuple(f"{name}/cluster" for name in lab.clusters)
    title = "set the distances between clusters"
    return Step(name="distances", title=title, run=lambda: distances.ensure(lab), after=nodes, estimate_s=2)


def _link(lab: Lab, stack: Stack, source: str, target: str) -> Iterator[Step]:
    """Yield the steps that link a source cluster to a target cluster."""
    for part in stack.link_components(lab, source, target) if source != target else ():
        yield _component(
            lab, part.cluster, part.component, title=part.title, after=part.after, estimate_s=part.estimate_s
        )


def export_step(service: str, source: str) -> str:
    """Return the name of the step that exports a service."""
    return f"export/{service}-{source}"


def _export(lab: Lab, stack: Stack, service: str, source: str) -> Step:
    def run() -> StepResult:
        return CHANGED if stack.export(lab, service, source) else UNCHANGED

    control_planes = tuple(f"{name}/{stack.control_plane}" for name in lab.clusters)
    return Step(
        name=export_step(service, source),
        title=f"export {service} from {source}",
        run=run,
        after=(*control_planes, f"{source}/podinfo"),
        estimate_s=1,
    )


def _answers(lab: Lab, stack: Stack, name: str, before: Iterable[Step]) -> Step:
    """Return the step that waits until a frontend gets answers from every expected cluster."""
    return Step(
        name=f"{name}/{ANSWERS}",
        title="wait for answers from every cluster at the frontend",
        run=lambda: _wait_for_answers(lab, stack, name),
        after=tuple(step.name for step in before),
        cluster=name,
        estimate_s=3,
    )


def _wait_for_answers(lab: Lab, stack: Stack, name: str) -> StepResult:
    wait_for_answers(lab, stack, name)
    return UNCHANGED


def wait_for_answers(lab: Lab, stack: Stack, name: str, *, timeout_s: float = 120) -> None:
    """Wait until a cluster's frontend gets answers from every expected cluster.

    Raises:
        LabError: a change that a walk, a command or a person made prevents them.
        WaitTimeout: a cluster did not answer in time; the error has the last observation.
    """
    for upstream, clusters in answers.expected_of(lab, stack, name).items():
        probe = AnswersProbe(lab=lab, stack=stack, cluster=name, upstream=upstream, clusters=clusters)
        what = f"answers to {name}'s frontend for {upstream} from {', '.join(sorted(clusters))}"
        if upstream == answers.FRONTEND:
            what = f"the answer of {name}'s frontend through its ingress"
        wait.until(what, probe, timeout_s=timeout_s, next="lab status")


@dataclass(kw_only=True)
class AnswersProbe:
    """Asks a frontend for answers; stops waiting if a change that somebody made prevents them."""

    lab: Lab
    stack: Stack
    cluster: str
    upstream: str
    clusters: frozenset[str]
    clock: Callable[[], float] = time.monotonic
    began_s: float | None = None

    def __call__(self) -> bool | NotYet:
        """Ask once.

        Raises:
            LabError: answers have been missing for seconds, and a change that somebody made prevents them.
        """
        result = answers.ask(self.lab, self.cluster, self.upstream, self.clusters, timeout_s=10)
        if not result.problem:
            return True
        if not result.reached:  # its own pods or the ingress start: no change of a person's is the reason
            return NotYet(result.problem)
        if self.began_s is None:
            self.began_s = self.clock()
        if self.clock() - self.began_s >= _PATIENCE_S:
            self._refuse(result.problem)
        return NotYet(result.problem)

    def _refuse(self, problem: str) -> None:
        left = changes.now(self.lab, self.stack.mesh(self.lab))
        effects = [change.effect for change in left if change.decides_answers]
        if effects:
            raise LabError(
                f"{problem}; changed by a walk, a command or a person: {'; '.join(effects)}",
                where=self.cluster,
                next="lab reset",
            )
