"""What `lab up` does, as a graph of steps: the page to read first. It only looks at which artifacts are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab import probe, stacks, wait
from lab.artifacts import plan as artifacts
from lab.artifacts.verbs import WANTED
from lab.clusters import provider
from lab.components import export
from lab.components.istio import rendered
from lab.components.remote_secret import RemoteAccess, RemoteSecret
from lab.context import Lab
from lab.model import CHANGED, UNCHANGED, Component, Step, StepResult
from lab.wait import NotYet

_IMAGES = ("istio-pilot", "istio-proxy", "podinfo", "frontend")


def up(lab: Lab) -> list[Step]:
    """Return the steps that bring a lab up, in the order in which a reader reads them."""
    builds = artifacts.steps(lab.artifacts, WANTED)
    built = tuple(step.name for step in builds)
    return [
        *builds,
        Step(name="network", title="create the nodes' network", run=provider().prepare, estimate_s=1),
        *(step for name in lab.clusters for step in _cluster(lab, name, built)),
        *(
            step
            for source in lab.clusters
            for target in lab.clusters
            if source != target
            for step in _link(source, target)
        ),
        *(_export(lab, service, source) for service, sources in lab.spec.exports.items() for source in sources),
        *_answers(lab),
    ]


def _cluster(lab: Lab, name: str, built: tuple[str, ...]) -> Iterator[Step]:
    """Create a cluster and install its parts; what needs no cluster is made while kind makes one."""

    def own(what: str) -> str:
        return f"{name}/{what}"

    yield Step(
        name=own("cluster"),
        title="create the cluster",
        run=lambda lab: provider().ensure(lab, lab.clusters[name]),
        after=("network", *built),
        cluster=name,
        estimate_s=30,
    )
    yield Step(
        name=own("manifests"),
        title="render Istio's charts",
        run=lambda lab: _render(lab, name),
        after=built,
        cluster=name,
        estimate_s=2,
    )
    yield Step(
        name=own("images"),
        title="bring images that the node lacks",
        run=lambda lab: provider().ensure_images(lab, lab.clusters[name], [lab.artifacts.image(i) for i in _IMAGES]),
        after=(own("cluster"),),
        cluster=name,
        estimate_s=1,
    )
    for what, part in stacks.parts(lab).items():
        needs = [own(other) for other in part.after] or [own("cluster")]
        needs += [own("manifests"), own("images")] if what == "istio" else []
        yield _component(name, part.component, title=part.title, after=needs, estimate_s=part.estimate_s)


def _component(cluster: str, component: Component, *, title: str, after: Iterable[str], estimate_s: float = 2) -> Step:
    def run(lab: Lab) -> StepResult:
        return component.apply(lab, lab.clusters[cluster])

    return Step(
        name=f"{cluster}/{component.name}",
        title=title,
        run=run,
        after=tuple(after),
        cluster=cluster,
        estimate_s=estimate_s,
    )


def _link(source: str, target: str) -> Iterator[Step]:
    """Let a cluster see another one: an account there, its token here."""
    access, secret = RemoteAccess(source=source), RemoteSecret(target=target)
    yield _component(target, access, title=f"let {source} see what runs here", after=[f"{target}/namespaces"])
    needs = [f"{source}/istio", f"{target}/istio", f"{target}/{access.name}"]
    yield _component(source, secret, title=f"link to {target}", after=needs)


def _export(lab: Lab, service: str, source: str) -> Step:
    def run(lab: Lab) -> StepResult:
        return CHANGED if export.apply(lab, service, source) else UNCHANGED

    return Step(
        name=f"export/{export.exported_name(service, source)}",
        title=f"export {service} from {source}",
        run=run,
        after=(*(f"{name}/istio" for name in lab.clusters), f"{source}/podinfo"),
        estimate_s=1,
    )


def _answers(lab: Lab) -> Iterator[Step]:
    """Ask each frontend, as a person would, until answers come from every cluster that has a podinfo."""
    everything = ("east-west-gateway", "ingress", "podinfo", "frontend")
    installed = tuple(f"{name}/{part}" for name in lab.clusters for part in everything)
    links = tuple(f"{a}/{RemoteSecret(target=b).name}" for a in lab.clusters for b in lab.clusters if a != b)
    for name in lab.clusters:
        yield Step(
            name=f"{name}/answers",
            title="ask the frontend until answers come from every cluster",
            run=lambda lab, name=name: _asked(lab, name),  # type: ignore[misc]  # mypy infers no default in a lambda
            after=(*installed, *links),
            cluster=name,
            estimate_s=3,
        )


def _asked(lab: Lab, name: str) -> StepResult:
    url = f"http://127.0.0.1:{lab.spec.clusters[name].ingress_port}/api/answers"
    expected = {other for other, cluster in lab.spec.clusters.items() if cluster.podinfo.replicas > 0}

    def look() -> bool | NotYet:
        answer = probe.get_json(url, params={"count": 12 * len(expected), "parallel": 4})
        totals, asked = answer["totals"], answer["frontend"]["cluster"]
        if asked != name:
            return NotYet(f"{asked}'s frontend answered")
        missing = expected - set(totals["by_cluster"])
        problems = [f"none from {', '.join(sorted(missing))}"] if missing else []
        problems += [f"{totals['failed']} failed"] if totals["failed"] else []
        return NotYet("; ".join(problems)) if problems else True

    wait.until(f"{name}: answers from {', '.join(sorted(expected))}", look, timeout_s=120, next="lab status")
    return UNCHANGED


def _render(lab: Lab, name: str) -> StepResult:
    rendered(lab, lab.clusters[name])
    return UNCHANGED
