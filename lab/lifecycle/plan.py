"""What `lab up` does, as a graph of steps: the page to read first. It only looks at which artifacts are there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lab import stacks
from lab.artifacts import plan as artifacts
from lab.base import wait
from lab.base.errors import LabError
from lab.base.step import CHANGED, UNCHANGED, Step, StepResult
from lab.base.wait import NotYet
from lab.clusters import provider
from lab.components.base import Component
from lab.lab import Lab
from lab.lifecycle import answers, changes
from lab.stacks import Stack

_PATIENCE_S = 4.0
"""How long answers may be missing before the plan asks whether what somebody has changed prevents them."""


def up(lab: Lab) -> list[Step]:
    """Return the steps that bring a lab up, in the order in which a reader reads them."""
    stack = stacks.current(lab)
    builds = artifacts.steps(lab.artifacts, stack.artifacts(lab))
    built = tuple(step.name for step in builds)
    clusters = [step for name in lab.clusters for step in _cluster(lab, stack, name, built)]
    links = [step for source in lab.clusters for target in lab.clusters for step in _link(lab, stack, source, target)]
    exports = [
        _export(lab, stack, service, source) for service, sources in lab.spec.exports.items() for source in sources
    ]
    return [
        *builds,
        Step(name="network", title="create the nodes' network", run=lambda: provider().prepare(lab), estimate_s=1),
        *clusters,
        _routes(lab),
        *links,
        *exports,
        *(_answers(lab, stack, name, [*clusters, *links, *exports]) for name in lab.clusters),
    ]


def _cluster(lab: Lab, stack: Stack, name: str, built: tuple[str, ...]) -> Iterator[Step]:
    """Create a cluster and install its parts; what needs no cluster is made while kind makes one."""

    def own(what: str) -> str:
        return f"{name}/{what}"

    def ensure() -> StepResult:
        return provider().ensure(lab, lab.clusters[name], image=lab.node_image or stack.node_image)

    def prepare() -> StepResult:
        stack.prepare(lab, lab.clusters[name])
        return UNCHANGED

    def images() -> StepResult:
        return provider().ensure_images(lab, lab.clusters[name], [lab.artifacts.image(i) for i in stack.images(lab)])

    yield Step(
        name=own("cluster"),
        title="create the cluster",
        run=ensure,
        after=("network", *built),
        cluster=name,
        estimate_s=30,
    )
    yield Step(name=own("manifests"), title=stack.prepares, run=prepare, after=built, cluster=name, estimate_s=2)
    yield Step(
        name=own("images"),
        title="bring images that the node lacks",
        run=images,
        after=(own("cluster"),),
        cluster=name,
        estimate_s=1,
    )
    for part in stack.components(lab).values():
        needs = [own(other) for other in part.after] or [own("cluster")]
        needs += [own("manifests"), own("images")] if part.prepared else []
        yield _component(lab, name, part.component, title=part.title, after=needs, estimate_s=part.estimate_s)


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
    """Say how far nodes send what is meant for pods of other clusters."""
    nodes = tuple(f"{name}/cluster" for name in lab.clusters)
    title = "let pods reach pods of other clusters" if lab.spec.network.flat else "keep pods to their cluster"
    return Step(name="routes", title=title, run=lambda: provider().wire.ensure_routes(lab), after=nodes, estimate_s=1)


def _link(lab: Lab, stack: Stack, source: str, target: str) -> Iterator[Step]:
    """Let a cluster see another one."""
    for part in stack.link_components(lab, source, target) if source != target else ():
        yield _component(
            lab, part.cluster, part.component, title=part.title, after=part.after, estimate_s=part.estimate_s
        )


def _export(lab: Lab, stack: Stack, service: str, source: str) -> Step:
    def run() -> StepResult:
        return CHANGED if stack.export(lab, service, source) else UNCHANGED

    control_planes = tuple(f"{name}/{stack.control_plane}" for name in lab.clusters)
    return Step(
        name=f"export/{service}-{source}",
        title=f"export {service} from {source}",
        run=run,
        after=(*control_planes, f"{source}/podinfo"),
        estimate_s=1,
    )


def _answers(lab: Lab, stack: Stack, name: str, before: Iterable[Step]) -> Step:
    """Ask a frontend, as a person would, until answers come from every cluster that has to give one."""
    return Step(
        name=f"{name}/answers",
        title="ask the frontend until answers come from every cluster",
        run=lambda: _asked(lab, stack, name),
        after=tuple(step.name for step in before),
        cluster=name,
        estimate_s=3,
    )


def _asked(lab: Lab, stack: Stack, name: str) -> StepResult:
    wait_for_answers(lab, stack, name)
    return UNCHANGED


def wait_for_answers(lab: Lab, stack: Stack, name: str, *, timeout_s: float = 120) -> None:
    """Return when a cluster's frontend gets answers from every cluster that has to give one.

    Raises:
        LabError: what a walk, a command or a person has left prevents them.
        WaitTimeout: they do not come, with what was seen instead.
    """
    for upstream, clusters in stack.answers(lab, name).items():
        look = AnswersProbe(lab=lab, stack=stack, cluster=name, upstream=upstream, clusters=clusters)
        what = f"{name}: answers for {upstream} from {', '.join(sorted(clusters))}"
        wait.until(what, look, timeout_s=timeout_s, next="lab status")


@dataclass(kw_only=True)
class AnswersProbe:
    """Looks for answers. What a walk or a person has left can prevent them for ever: then it does not wait."""

    lab: Lab
    stack: Stack
    cluster: str
    upstream: str
    clusters: frozenset[str]
    clock: Callable[[], float] = time.monotonic
    began_s: float | None = None

    def __call__(self) -> bool | NotYet:
        """Look once.

        Raises:
            LabError: answers have been missing for seconds, and what somebody has left decides them.
        """
        found = answers.ask(self.lab, self.cluster, self.upstream, self.clusters, timeout_s=10)
        if not found.problem:
            return True
        if self.began_s is None:
            self.began_s = self.clock()
        if self.clock() - self.began_s >= _PATIENCE_S:
            self._refuse(found.problem)
        return NotYet(found.problem)

    def _refuse(self, problem: str) -> None:
        left = changes.now(self.lab, self.stack.mesh(self.lab))
        effects = [change.effect for change in left if change.decides_answers]
        if effects:
            raise LabError(
                f"{problem}; a walk, a command or a person has left: {'; '.join(effects)}",
                where=self.cluster,
                next="lab reset",
            )
